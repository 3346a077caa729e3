using System.Collections.ObjectModel;

namespace Natalia.Backup.Testing.Examples;

/// <summary>
/// Which tests run which example. What a site of folders or a connected cluster is enough for is told by its words; the
/// others are named here.
/// </summary>
public static class ExampleRunners
{
    private static readonly Dictionary<string, ExampleRunner> s_named = new[]
    {
        (ExampleRunner.Site, new[]
        {
            "Export-NataliaDisk example 6",
            "Dismount-NataliaRestorePoint example 1",
            "Mount-NataliaRestorePoint example 1",
            "Mount-NataliaRestorePoint example 3",
            "Mount-NataliaRestorePoint example 4",
            "Measure-NataliaRecovery example 3",
            "evidence.md block 2",
            "about_NataliaAutomation.help.txt block 4",
            "troubleshooting.md block 2",
            "Export-NataliaReport example 2",
            "Export-NataliaReport example 4",
            "Test-NataliaReport example 1",
            "Test-NataliaReport example 2",
            "report.md block 1",
        }),
        (ExampleRunner.Bucket, new[]
        {
            "New-NataliaRepository example 2",
            "New-NataliaRepository example 4",
            "README.md block 5",
            "README.md block 7",
            "troubleshooting.md block 3",
            "about_NataliaCredentials.help.txt block 1",
            "about_NataliaImmutability.help.txt block 1",
        }),
        (ExampleRunner.Qemu, new[]
        {
            "Restore-NataliaAppliance example 4",
            "Set-NataliaAppliance example 4",
            "Connect-NataliaHypervisor example 3",
            "Test-NataliaRestore example 1",
            "Test-NataliaRestore example 2",
            "Test-NataliaRestore example 3",
            "Test-NataliaRestore example 5",
            "Test-NataliaRestore example 6",
            "Get-NataliaRestoreTest example 1",
            "Get-NataliaRestoreTest example 2",
            "README.md block 6",
            "restore-test.md block 1",
            "about_NataliaQemu.help.txt block 3",
            "about_NataliaQemu.help.txt block 4",
            "about_NataliaRestoreTesting.help.txt block 1",
            "about_NataliaRestoreTesting.help.txt block 2",
            "about_NataliaRestoreTesting.help.txt block 4",
            "Export-NataliaReport example 3",
        }),
        (ExampleRunner.Cluster, new[]
        {
            "Restore-NataliaAppliance example 5",
        }),
        (ExampleRunner.HyperV, new[]
        {
            "Connect-NataliaHypervisor example 5",
            "Get-NataliaSchedule example 2",
            "Register-NataliaSchedule example 1",
            "Set-NataliaAppliance example 5",
            "Test-NataliaPrerequisite example 2",
            "Test-NataliaRestore example 4",
            "Unregister-NataliaSchedule example 2",
            "README.md block 2",
            "hyperv.md block 1",
            "hyperv.md block 2",
            "procedure.md block 1",
            "schedules.md block 1",
            "about_NataliaAutomation.help.txt block 6",
            "about_NataliaHyperV.help.txt block 1",
            "about_NataliaHyperV.help.txt block 2",
            "about_NataliaHyperV.help.txt block 3",
            "about_NataliaTroubleshooting.help.txt block 2",
            "about_NataliaTroubleshooting.help.txt block 4",
        }),
        (ExampleRunner.Proxmox, new[]
        {
            "Connect-NataliaHypervisor example 4",
            "Connect-NataliaRepository example 3",
            "Test-NataliaRepository example 3",
            "README.md block 4",
            "proxmox.md block 1",
            "about_NataliaProxmox.help.txt block 1",
            "about_NataliaRepositories.help.txt block 3",
        }),
        (ExampleRunner.VMware, new[]
        {
            "Connect-NataliaHypervisor example 6",
            "Remove-NataliaSnapshot example 3",
            "README.md block 3",
            "vmware.md block 1",
            "about_NataliaVMware.help.txt block 1",
            "about_NataliaVMware.help.txt block 2",
        }),
    }.SelectMany(r => r.Item2.Select(id => (Id: id, Runner: r.Item1))).ToDictionary(r => r.Id, r => r.Runner,
        StringComparer.Ordinal);

    /// <summary>Those that nobody runs, each with its reason: they are parsed and bound.</summary>
    public static IReadOnlyDictionary<string, string> NotRun { get; } = new ReadOnlyDictionary<string, string>(
        new Dictionary<string, string[]>
        {
            ["Shares with a user of their own are Windows' alone."] =
            [
                "Connect-NataliaRepository example 5",
            ],
        }.SelectMany(r => r.Value.Select(id => (Id: id, Reason: r.Key))).ToDictionary(r => r.Id, r => r.Reason,
            StringComparer.Ordinal));

    /// <summary>The names of the examples that are named here, whether they are there or not.</summary>
    public static IEnumerable<string> Named => s_named.Keys.Concat(NotRun.Keys);

    /// <summary>Who runs an example; <see cref="ExampleRunner.None"/> for nobody.</summary>
    public static ExampleRunner Of(Example example) =>
        s_named.TryGetValue(example.Id, out ExampleRunner runner) ? runner
        : NotRun.ContainsKey(example.Id) ? ExampleRunner.None
        : !ExampleCorpus.NeedsMore(example) ? ExampleRunner.Site
        : ExampleCorpus.IsOfACluster(example) ? ExampleRunner.Cluster
        : ExampleRunner.None;
}
