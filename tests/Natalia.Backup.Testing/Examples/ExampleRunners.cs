namespace Natalia.Backup.Testing.Examples;

/// <summary>
/// Which tests run which example. What a site of folders or a connected cluster is enough for is told by its words; the
/// others are named here, each with words that no other example of its document has: examples are counted, and one that
/// is put in between gives those behind it other names.
/// </summary>
public static class ExampleRunners
{
    private static readonly (ExampleRunner Runner, (string Id, string Words)[] Examples)[] s_named =
    [
        (ExampleRunner.Site,
        [
            ("Export-NataliaDisk example 6", "-Overlay"),
            ("Dismount-NataliaRestorePoint example 1", "-MountId"),
            ("Mount-NataliaRestorePoint example 1", "qemu-img"),
            ("Mount-NataliaRestorePoint example 3", "-Port 10809"),
            ("Mount-NataliaRestorePoint example 4", "-Protocol Iscsi"),
            ("Measure-NataliaRecovery example 3", "exit 2"),
            ("evidence.md block 2", "exit 2"),
            ("about_NataliaAutomation.help.txt block 4", "exit 2"),
            ("troubleshooting.md block 2", "Restore-NataliaAppliance"),
            ("Export-NataliaReport example 2", @"Cert:\CurrentUser"),
            ("Export-NataliaReport example 4", "OpenMetrics"),
            ("Test-NataliaReport example 1", "-ExpectedThumbprint"),
            ("Test-NataliaReport example 2", "-TrustedCertificate"),
            ("report.md block 1", "OpenMetrics"),
        ]),
        (ExampleRunner.Bucket,
        [
            ("New-NataliaRepository example 2", "wasabi"),
            ("New-NataliaRepository example 4", "-LockAheadDays"),
            ("README.md block 5", "Test-NataliaRepository offsite"),
            ("README.md block 7", "Set-NataliaRetention -Repository offsite"),
            ("troubleshooting.md block 3", "-Bucket"),
            ("about_NataliaCredentials.help.txt block 1", "-Bucket"),
            ("about_NataliaImmutability.help.txt block 1", "-Bucket"),
        ]),
        (ExampleRunner.Qemu,
        [
            ("Restore-NataliaAppliance example 4", "-Immediate"),
            ("Set-NataliaAppliance example 4", "-BusinessCalendar"),
            ("Connect-NataliaHypervisor example 3", "-Qemu"),
            ("Test-NataliaRestore example 1", "-SystemImage"),
            ("Test-NataliaRestore example 2", "-Rotate"),
            ("Test-NataliaRestore example 3", "-KeepOnFailure"),
            ("Test-NataliaRestore example 5", "-FromRepository"),
            ("Test-NataliaRestore example 6", "Licence"),
            ("Get-NataliaRestoreTest example 1", "-After"),
            ("Get-NataliaRestoreTest example 2", "-ExpandProperty Checks"),
            ("README.md block 6", "-Qemu"),
            ("restore-test.md block 1", "-Qemu"),
            ("about_NataliaQemu.help.txt block 3", "Test-NataliaRestore"),
            ("about_NataliaQemu.help.txt block 4", "-Start"),
            ("about_NataliaRestoreTesting.help.txt block 1", "-SystemImage"),
            ("about_NataliaRestoreTesting.help.txt block 2", "Get-NataliaRestoreTest"),
            ("about_NataliaRestoreTesting.help.txt block 4", "-Rotate"),
            ("about_NataliaTroubleshooting.help.txt block 13", "Get-NataliaRestoreTest"),
            ("Export-NataliaReport example 3", "Get-NataliaRestoreTest"),
        ]),
        (ExampleRunner.Cluster,
        [
            ("Restore-NataliaAppliance example 5", "-OverExisting"),
        ]),
        (ExampleRunner.HyperV,
        [
            ("Connect-NataliaHypervisor example 5", "-HyperV"),
            ("Get-NataliaSchedule example 2", "IsOverdue"),
            ("Register-NataliaSchedule example 1", "-CopyTo"),
            ("Set-NataliaAppliance example 5", "-IsolatedNetwork"),
            ("Test-NataliaPrerequisite example 2", "-AsScheduled"),
            ("Test-NataliaRestore example 4", "-SshHostKey"),
            ("Unregister-NataliaSchedule example 2", "natalia-backup-nightly"),
            ("README.md block 2", "-HyperV"),
            ("hyperv.md block 1", "-HyperV"),
            ("hyperv.md block 2", "-IsolatedNetwork"),
            ("procedure.md block 1", "-HyperV"),
            ("schedules.md block 1", "-AsScheduled"),
            ("about_NataliaAutomation.help.txt block 6", "Register-NataliaSchedule"),
            ("about_NataliaHyperV.help.txt block 1", "-HyperV"),
            ("about_NataliaHyperV.help.txt block 2", "New-VMSwitch"),
            ("about_NataliaHyperV.help.txt block 3", "Set-NataliaReplication"),
            ("about_NataliaTroubleshooting.help.txt block 2", "-AsScheduled"),
            ("about_NataliaTroubleshooting.help.txt block 4", "-Hypervisor hv2"),
        ]),
        (ExampleRunner.Proxmox,
        [
            ("Connect-NataliaHypervisor example 4", "-Proxmox"),
            ("Connect-NataliaRepository example 3", "-ProxmoxStorage"),
            ("Test-NataliaRepository example 3", "-BackupServer"),
            ("README.md block 4", "-Proxmox"),
            ("proxmox.md block 1", "-Proxmox"),
            ("about_NataliaProxmox.help.txt block 1", "-Proxmox "),
            ("about_NataliaRepositories.help.txt block 3", "-ProxmoxStorage"),
        ]),
        (ExampleRunner.VMware,
        [
            ("Connect-NataliaHypervisor example 6", "-VMware"),
            ("Remove-NataliaSnapshot example 3", "-Consolidate"),
            ("README.md block 3", "-VMware"),
            ("vmware.md block 1", "-VMware"),
            ("about_NataliaVMware.help.txt block 1", "-VMware"),
            ("about_NataliaVMware.help.txt block 2", "-Consolidate"),
        ]),
    ];

    private static readonly (string Reason, (string Id, string Words)[] Examples)[] s_notRun =
    [
        ("Shares with a user of their own are Windows' alone.",
        [
            ("Connect-NataliaRepository example 5", "nas-user"),
        ]),
    ];

    private static readonly Dictionary<string, ExampleRunner> s_runners = s_named
        .SelectMany(r => r.Examples.Select(e => (e.Id, r.Runner))).ToDictionary(r => r.Id, r => r.Runner,
            StringComparer.Ordinal);

    /// <summary>Those that nobody runs, each with its reason: they are parsed and bound.</summary>
    public static IReadOnlyDictionary<string, string> NotRun { get; } = s_notRun
        .SelectMany(r => r.Examples.Select(e => (e.Id, r.Reason))).ToDictionary(r => r.Id, r => r.Reason,
            StringComparer.Ordinal);

    /// <summary>
    /// The names of the examples that are named here, whether they are there or not, each with the words by which it is
    /// known.
    /// </summary>
    public static IReadOnlyDictionary<string, string> Named { get; } = s_named.SelectMany(r => r.Examples)
        .Concat(s_notRun.SelectMany(r => r.Examples)).ToDictionary(e => e.Id, e => e.Words, StringComparer.Ordinal);

    /// <summary>Who runs an example; <see cref="ExampleRunner.None"/> for nobody.</summary>
    public static ExampleRunner Of(Example example) =>
        s_runners.TryGetValue(example.Id, out ExampleRunner runner) ? runner
        : NotRun.ContainsKey(example.Id) ? ExampleRunner.None
        : !ExampleCorpus.NeedsMore(example) ? ExampleRunner.Site
        : ExampleCorpus.IsOfACluster(example) ? ExampleRunner.Cluster
        : ExampleRunner.None;
}
