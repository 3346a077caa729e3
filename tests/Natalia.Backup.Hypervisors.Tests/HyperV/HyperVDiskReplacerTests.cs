using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.HyperVSimulator;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>A disk of a switched-off VM of the simulated host in the place of another one: real VHDX files.</summary>
public sealed class HyperVDiskReplacerTests : IDisposable
{
    private readonly HyperVFixture _host = new();
    private readonly byte[] _fresh = HyperVFixture.Bytes(1 << 20, 9);

    public HyperVDiskReplacerTests() => _host.Machine.State = 3;

    public void Dispose() => _host.Dispose();

    [Fact]
    public async Task The_new_disk_has_the_old_ones_place_and_the_old_file_is_gone()
    {
        byte[] other = _host.Content(_host.OtherDisk);
        for (int run = 0; run < 2; run++)
        {
            string before = _host.Machine.Disks[0].Top.Path;
            ApplianceDescription made = await ReplaceAsync();
            Assert.Equal(_fresh, _host.Content(_host.DataDisk));
            Assert.Equal(other, _host.Content(_host.OtherDisk));
            Assert.Equal(_host.Vm.Disks.Select(d => (d.DiskId, d.SizeBytes)),
                made.Disks.Select(d => (d.DiskId, d.SizeBytes)));
            Assert.False(File.Exists(_host.Host.ToLocal(before)));
            Assert.Equal([_host.Machine.Disks[0].Top.Path, _host.Machine.Disks[1].Top.Path], Images());
            Random.Shared.NextBytes(_fresh);
        }
    }

    [Theory]
    [InlineData("running", ErrorIds.ApplianceRunning)]
    [InlineData("saved", ErrorIds.ApplianceRunning)]
    [InlineData("merging", ErrorIds.ApplianceLocked)]
    [InlineData("checkpoint", ErrorIds.ApplianceNotSuitable)]
    [InlineData("replicated", ErrorIds.ApplianceNotSuitable)]
    [InlineData("shared", ErrorIds.ApplianceNotSuitable)]
    [InlineData("absent", ErrorIds.DiskNotFound)]
    public async Task What_cannot_be_is_refused_before_anything_is_written(string trouble, string id)
    {
        switch (trouble)
        {
            case "running": _host.Machine.State = 2; break;
            case "saved": _host.Machine.State = 6; break;
            case "merging": _host.Machine.Doing.Add(32772); break;
            case "checkpoint":
                _host.Host.Freeze(_host.Machine, "before update", "Microsoft:Hyper-V:Snapshot:Realized", 1);
                break;
            case "replicated": (_host.Machine.ReplicationMode, _host.Machine.ReplicationState) = (1, 3); break;
            case "shared":
                var twin = new SimMachine("twin") { State = 3 };
                twin.Disks[0] = _host.Machine.Disks[0];
                _host.Host.Machines.Add(twin);
                break;
        }
        bool isWritten = false;
        IReadOnlyList<string> before = Files();
        Assert.Equal(id, (await Assert.ThrowsAsync<NataliaException>(() => ReplaceAsync(null,
            trouble == "absent" ? "scsi0:9" : _host.DataDisk, () => isWritten = true))).ErrorId);
        Assert.False(isWritten);
        Assert.Equal(before, Files());
    }

    [Fact]
    public async Task A_writing_that_fails_and_a_change_that_is_refused_leave_the_old_disk_and_nothing_else()
    {
        byte[] old = _host.Content(_host.DataDisk);
        IReadOnlyList<string> before = Files();
        await Assert.ThrowsAsync<IOException>(() => ReplaceAsync(null, _host.DataDisk,
            () => throw new IOException("the repository is away")));
        Assert.Equal(before, Files());
        _host.Host.Faults["ModifyResourceSettings"] = new SimFault { Code = 32775 };
        await Assert.ThrowsAsync<NataliaException>(() => ReplaceAsync());
        Assert.Equal(before, Files());
        Assert.Equal(old, _host.Content(_host.DataDisk));
    }

    /// <summary>The VM has the old disk or the new one, whole, and the next replacement leaves one file.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_process_that_dies_at_any_call_leaves_a_whole_disk(bool isAfter)
    {
        byte[] old = _host.Content(_host.DataDisk);
        int deaths = 0;
        for (int call = 0; call < 40; call++)
        {
            try
            {
                await ReplaceAsync(new CallFault(call, isAfter));
                // That call was none of this run any more, or one of the connection's.
                _host.Replace(_host.DataDisk, old);
                continue;
            }
            catch (SimulatedCrashException)
            {
                deaths++;
            }
            // The change that a dead process asked for came after this one had looked.
            catch (NataliaException late) when (late.ErrorId == ErrorIds.ApplianceNotSuitable) { }
            byte[] now = _host.Content(_host.DataDisk);
            Assert.True(now.AsSpan().SequenceEqual(old) || now.AsSpan().SequenceEqual(_fresh), $"call {call}");
            Assert.True(File.Exists(_host.Host.ToLocal(_host.Machine.Disks[0].Top.Path)), $"call {call}");
        }
        Assert.InRange(deaths, 10, 35);
        await ReplaceAsync();
        Assert.Equal(_fresh, _host.Content(_host.DataDisk));
        Assert.Single(Images(), i => i.Contains(@"\replace-", StringComparison.Ordinal));
    }

    /// <summary>A call whose answer is lost has taken effect: what the VM has is read back.</summary>
    [Fact]
    public async Task A_change_whose_answer_is_lost_is_looked_at()
    {
        byte[] old = _host.Content(_host.DataDisk);
        for (int call = 0; ; call++)
        {
            try
            {
                await ReplaceAsync(new CallFault(call, IsAfter: true, IsDeath: false));
                Assert.Equal(_fresh, _host.Content(_host.DataDisk));
                if (call > 40) return;
            }
            catch (NataliaException)
            {
                // Whatever the host was at has an end.
                await _host.Clock.WaitAsync(TimeSpan.FromMinutes(1), default);
                using IHypervisor later = _host.Connect();
                Assert.Single(await later.GetAppliancesAsync(default));
                byte[] now = _host.Content(_host.DataDisk);
                Assert.True(now.AsSpan().SequenceEqual(old) || now.AsSpan().SequenceEqual(_fresh), $"call {call}");
                Assert.True(File.Exists(_host.Host.ToLocal(_host.Machine.Disks[0].Top.Path)), $"call {call}");
            }
            _host.Replace(_host.DataDisk, old);
        }
    }

    /// <summary>
    /// The second one has read the VM when the first one ends. That the file of one that is still at it cannot be
    /// deleted is Windows' own, and not seen here.
    /// </summary>
    [Fact]
    public async Task Of_two_replacements_at_once_the_later_one_removes_nothing_that_the_vm_has()
    {
        bool isOver = false;
        _host.Host.OnCall = what =>
        {
            if (isOver || !what.Contains("Msvm_ConcreteJob", StringComparison.Ordinal)) return;
            isOver = true;
            ReplaceAsync().GetAwaiter().GetResult();
        };
        bool isWritten = false;
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => ReplaceAsync(null, _host.DataDisk,
            () => isWritten = true));
        Assert.Equal(ErrorIds.ApplianceNotSuitable, e.ErrorId);
        Assert.False(isWritten);
        Assert.Equal(_fresh, _host.Content(_host.DataDisk));
        Assert.Equal([_host.Machine.Disks[0].Top.Path, _host.Machine.Disks[1].Top.Path], Images());
    }

    private async Task<ApplianceDescription> ReplaceAsync(CallFault? fault = null, string? diskId = null,
        Action? onWrite = null)
    {
        using IHypervisor hypervisor = _host.Connect(fault);
        return await hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(_host.Vm,
            diskId ?? _host.DataDisk, _fresh.Length, async (target, stop) =>
            {
                onWrite?.Invoke();
                await target.BeginAsync(_fresh.Length, stop);
                await target.WriteAsync(0, _fresh, stop);
                await target.CompleteAsync(stop);
            }, default);
    }

    private IReadOnlyList<string> Files() =>
        [.. Directory.EnumerateFileSystemEntries(_host.Host.ToLocal(@"D:\VMs"), "*", SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal)];

    /// <summary>The images that there are, as the host names them, those of the VM's disks first.</summary>
    private IReadOnlyList<string> Images() =>
        [.. Directory.EnumerateFiles(_host.Host.ToLocal(@"D:\VMs"), "*.vhdx", SearchOption.AllDirectories)
            .Select(f => @"D:\" + Path.GetRelativePath(_host.Host.ToLocal(@"D:\"), f).Replace('/', '\\'))
            .OrderBy(i => i == _host.Machine.Disks[1].Top.Path)];
}
