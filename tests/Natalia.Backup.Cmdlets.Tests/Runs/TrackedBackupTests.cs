using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Cmdlets.Tests.Runs;

/// <summary>Incrementals by reference points, through the cmdlets.</summary>
public sealed class TrackedBackupTests : IDisposable
{
    private const string Disk = "scsi0:0";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("natalia-tracked-");
    private readonly EngineSession _session = new();
    private readonly MemoryHost _host = new((Disk, RepositoryFixture.Disk(4 << 20, 1)));
    private int _exports;

    public void Dispose()
    {
        _session.Dispose();
        _folder.Delete(recursive: true);
    }

    [Fact]
    public void The_second_run_is_an_incremental_that_reads_little_and_restores_bit_for_bit()
    {
        Connect(new MemoryHypervisor(_host, TokenLife.BornAtSeal));
        Make("nas");
        EngineSession.Result full = Run("Invoke-NataliaBackup natalia-memory");
        Assert.Equal("Full", Text(full, "Type"));
        for (int i = 0; i < 3; i++)
        {
            _host.Write(Disk, 700_000 * (i + 1), RepositoryFixture.Disk(30_000, 10 + i));
            EngineSession.Result incremental = Run("Invoke-NataliaBackup natalia-memory -Type Incremental");
            Assert.Empty(incremental.Warnings);
            Assert.Equal("Incremental", Text(incremental, "Type"));
            Assert.InRange((long)Assert.Single(incremental.Output).Properties["ReadBytes"].Value, 30_000, 2 * 65536);
            Assert.Equal(_host.Content(Disk), Export());
        }
        Assert.Single(_host.Objects);
    }

    [Fact]
    public void What_a_run_that_died_behind_its_seal_left_goes_with_the_next_and_what_is_not_ours_stays()
    {
        Connect(new MemoryHypervisor(_host, TokenLife.BornAtSeal));
        Make("nas");
        Run("Invoke-NataliaBackup natalia-memory");
        _host.MakeForeign();
        _host.Write(Disk, 1_000_000, RepositoryFixture.Disk(30_000, 5));
        int convert = CallOf("convert");
        Reconnect(new MemoryHypervisor(_host, TokenLife.BornAtSeal, new CallFault(convert, IsAfter: true)));
        Assert.NotEmpty(_session.Run("Invoke-NataliaBackup natalia-memory").Errors);
        Assert.Equal(2, _host.Objects.Count(o => !o.IsForeign));

        _host.Write(Disk, 2_000_000, RepositoryFixture.Disk(30_000, 6));
        Reconnect(new MemoryHypervisor(_host, TokenLife.BornAtSeal));
        EngineSession.Result next = Run("Invoke-NataliaBackup natalia-memory");
        Assert.Contains("a reference point that an earlier backup left was removed", Assert.Single(next.Warnings),
            StringComparison.Ordinal);
        Assert.Equal("Incremental", Text(next, "Type"));
        Assert.Equal(_host.Content(Disk), Export());
        Assert.Single(_host.Objects, o => !o.IsForeign);
        Assert.Equal(2, _host.Objects.Count(o => o.IsForeign));
        Assert.Equal(2, Run("Get-NataliaRestorePoint").Output.Count);
    }

    [Fact]
    public void Two_repositories_each_go_on_from_their_own_point()
    {
        Connect(new MemoryHypervisor(_host, TokenLife.BornAtSeal));
        Make("nas");
        Make("offsite");
        for (int i = 0; i < 3; i++)
        {
            foreach (string repository in new[] { "nas", "offsite" })
            {
                _host.Write(Disk, 300_000 * (i + 1), RepositoryFixture.Disk(10_000, 50 + i));
                EngineSession.Result made = _session.Run("Invoke-NataliaBackup natalia-memory -Repository $args[0]",
                    repository);
                Assert.Empty(made.Errors);
                Assert.Equal(i == 0 ? "Full" : "Incremental", Text(made, "Type"));
            }
        }
        Assert.Equal(2, _host.Objects.Count);
    }

    [Fact]
    public void A_snapshot_that_cannot_be_removed_is_told_and_the_point_is_made()
    {
        Connect(new MemoryHypervisor(_host, TokenLife.BornAtSeal));
        Make("nas");
        Run("Invoke-NataliaBackup natalia-memory");
        Reconnect(new MemoryHypervisor(_host, TokenLife.BornAtSeal, new CallFault(CallOf("snapshot"), IsAfter: true)));
        Assert.NotEmpty(_session.Run("Invoke-NataliaBackup natalia-memory").Errors);

        Reconnect(new MemoryHypervisor(_host, TokenLife.BornAtSeal) { FailOnce = "remove" });
        EngineSession.Result stuck = Run("Invoke-NataliaBackup natalia-memory");
        Assert.Contains("could not be removed", Assert.Single(stuck.Warnings), StringComparison.Ordinal);
        Assert.Equal("Incremental", Text(stuck, "Type"));
    }

    /// <summary>
    /// Which call of a run that follows another this is: learnt from such a run on a host of its own.
    /// </summary>
    private static int CallOf(string name)
    {
        var host = new MemoryHost((Disk, new byte[100_000]));
        using var session = new EngineSession();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("natalia-tracked-");
        try
        {
            var second = new MemoryHypervisor(host, TokenLife.BornAtSeal);
            Assert.Empty(
                session.Run(
                    "$null = Add-Fake $args[0] -Name memory; $null = New-NataliaRepository $args[1] -Unencrypted",
                new MemoryHypervisor(host, TokenLife.BornAtSeal), Path.Combine(folder.FullName, "r")).Errors);
            Assert.Empty(session.Run("Invoke-NataliaBackup natalia-memory").Errors);
            host.MakeForeign();
            Assert.Empty(session.Run("Disconnect-NataliaHypervisor memory; $null = Add-Fake $args[0] -Name memory; "
                + "Invoke-NataliaBackup natalia-memory",
                second).Errors);
            return second.Log.IndexOf(name);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private void Connect(MemoryHypervisor hypervisor) =>
        Assert.Empty(_session.Run("$null = Add-Fake $args[0] -Name memory", hypervisor).Errors);

    private void Reconnect(MemoryHypervisor hypervisor)
    {
        Assert.Empty(_session.Run("Disconnect-NataliaHypervisor memory").Errors);
        Connect(hypervisor);
    }

    private void Make(string name) =>
        Assert.Empty(_session.Run("$null = New-NataliaRepository $args[0] -Name $args[1] -Unencrypted",
            Path.Combine(_folder.FullName, name), name).Errors);

    private EngineSession.Result Run(string script)
    {
        EngineSession.Result result = _session.Run(script);
        Assert.Empty(result.Errors);
        return result;
    }

    /// <summary>The newest point's disk, as it is exported.</summary>
    private byte[] Export()
    {
        string path = Path.Combine(_folder.FullName, $"export{_exports++}.raw");
        Assert.Empty(_session.Run("$null = Get-NataliaRestorePoint -Latest | Export-NataliaDisk $args[0]",
            path).Errors);
        return File.ReadAllBytes(path);
    }

    private static string Text(EngineSession.Result result, string property) =>
        Assert.Single(result.Output).Properties[property].Value.ToString()!;
}
