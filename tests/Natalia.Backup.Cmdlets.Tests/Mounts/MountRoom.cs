using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Operations.Mounts;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>A session with a repository of one point that has two disks, and what tests of mounts do with it.</summary>
internal sealed class MountRoom : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly RepositoryFixture _fixture = new();
    private readonly TemporaryFolder _folder = new();

    private MountRoom() { }

    /// <summary>The bytes of <c>scsi0</c>.</summary>
    internal static byte[] SystemDisk { get; } = RepositoryFixture.Disk((1 << 20) + 512, 1);

    /// <summary>The bytes of <c>scsi1</c>.</summary>
    internal static byte[] DataDisk { get; } = RepositoryFixture.Disk(2 << 20, 2);

    internal static async Task<MountRoom> MakeAsync()
    {
        var room = new MountRoom();
        using (Repository repository = await room._fixture.CreateAsync(room._fixture.Store))
        {
            await repository.BackupAsync(new BackupRequest
            {
                Appliance = RepositoryFixture.Appliance,
                Disks = [new BackupDisk("scsi0", DiskRole.System, new MemoryDiskSource(SystemDisk)),
                    new BackupDisk("scsi1", DiskRole.Data, new MemoryDiskSource(DataDisk))],
                TimeUtc = DateTime.UtcNow,
            }, null, null, default);
        }
        Assert.Empty(room.Run("$null = Add-Repository $args[0] -Name nas", room._fixture.Store).ErrorIds);
        return room;
    }

    /// <summary>The full path of a file or folder of this test; empty for the folder of all.</summary>
    internal string File(string name = "") => name.Length == 0 ? _folder.Path : _folder[name];

    /// <summary>The names of what lies in the test's folder.</summary>
    internal string[] Files => _folder.Files;

    internal EngineSession.Result Run(string script, params object?[] arguments) => _session.Run(script, arguments);

    /// <summary>Mounts disks of the point; without any error.</summary>
    /// <param name="how">The cmdlet's parameters.</param>
    internal IReadOnlyList<PointMount> Mount(string how = "")
    {
        EngineSession.Result result = TryMount(how);
        Assert.Empty(result.ErrorIds);
        return Mounts(result);
    }

    internal EngineSession.Result TryMount(string how, params object?[] arguments) =>
        Run($"Get-NataliaRestorePoint -Latest | Mount-NataliaRestorePoint {how}", arguments);

    /// <summary>What the session serves now.</summary>
    internal IReadOnlyList<PointMount> Served() => Mounts(Run("Get-NataliaMount"));

    internal static IReadOnlyList<PointMount> Mounts(EngineSession.Result result) =>
        [.. result.Output.Select(o => (PointMount)o.BaseObject)];

    internal void DismountAll()
    {
        Assert.Empty(Run("Get-NataliaMount | Dismount-NataliaRestorePoint").ErrorIds);
        Assert.Empty(Served());
    }

    /// <summary>Exports a disk of the point.</summary>
    /// <param name="name">The image's name in the test's folder.</param>
    /// <param name="how">The cmdlet's other parameters.</param>
    internal EngineSession.Result Export(string name, string how) => Run(
        $"Get-NataliaRestorePoint -Latest | Export-NataliaDisk -Destination $args[0] {how}", File(name));

    /// <summary>Nothing is served, and no machine is told that something is.</summary>
    internal async Task AssertNothingServedAsync()
    {
        Assert.Empty(Served());
        Assert.Equal(0, await CountMarksAsync());
    }

    /// <summary>How many marks of readers lie in the repository.</summary>
    internal async Task<int> CountMarksAsync()
    {
        int count = 0;
        await foreach (StoredObject item in _fixture.Store.ListAsync("appliances/", default))
        {
            if (item.Name.Contains("/readers/", StringComparison.Ordinal)) count++;
        }
        return count;
    }

    /// <summary>Waits until a mount is so; a test fails when it does not become so.</summary>
    internal async Task<PointMount> UntilAsync(string mountId, Func<PointMount, bool> isSo)
    {
        for (int tries = 0; tries < 10_000; tries++)
        {
            PointMount now = Served().Single(m => m.MountId == mountId);
            if (isSo(now)) return now;
            await Task.Yield();
        }
        throw new InvalidOperationException("It did not become so.");
    }

    public void Dispose()
    {
        _session.Run("Get-NataliaMount | Dismount-NataliaRestorePoint");
        _session.Dispose();
        _fixture.Dispose();
        _folder.Dispose();
    }
}
