using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.VSphere;
using Natalia.Backup.Hypervisors.VSphere.Snapshots;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Backups;

/// <summary>
/// What happens around a freeze when the guest, the VM or the server are not as they should be. On a simulated server;
/// what it does there is our model of documented behaviour.
/// </summary>
public sealed class FreezeTests(FreezeTests.Servers servers) : IClassFixture<FreezeTests.Servers>
{
    public sealed class Servers : IDisposable
    {
        private readonly Lazy<SimulatedVSphere> _center = new(() => VSphereFixture.Start(isCenter: true));

        internal SimulatedVSphere Center => _center.Value;

        public void Dispose()
        {
            if (_center.IsValueCreated) _center.Value.Dispose();
        }
    }

    private SimulatedVSphere Server => servers.Center;

    private SimulatedVSphere.Machine Machine => Server.Appliance;

    [VSphereFact]
    public async Task Snapshots_are_quiesced_without_memory_and_say_whose_they_are()
    {
        using VSphereFixture fixture = New();
        using IHypervisor hypervisor = fixture.Connect();
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, fixture))
        {
            Assert.Equal(Consistency.FileSystem, frozen.Consistency);
            Assert.Null(frozen.ConsistencyReason);
            Leftover own = Assert.Single(await ((IImageSource)hypervisor).FindLeftoversAsync(null, default));
            Assert.Equal((new string('a', 32), new string('b', 32), new string('c', 32)),
                (own.RunId, own.RepositoryId, own.HistoryId));
            ISnapshots snapshots = hypervisor.Find<ISnapshots>()!;
            Assert.True(Assert.Single(await snapshots.GetSnapshotsAsync(fixture.Vm, default)).IsOwn);
        }
        Assert.Empty(Server.Snapshots(Machine));
    }

    [VSphereFact]
    public async Task A_guest_that_fails_to_quiesce_is_asked_once_and_the_reason_is_told()
    {
        using VSphereFixture fixture = New();
        fixture.DeafenGuest();
        Server.Do("clear");
        using IHypervisor hypervisor = fixture.Connect();
        await using IFrozenDisks frozen = await FreezeAsync(hypervisor, fixture);
        Assert.Equal(Consistency.Crash, frozen.Consistency);
        Assert.Contains("quiescing", frozen.ConsistencyReason, StringComparison.Ordinal);
        Assert.Equal(2, Server.Calls().Count(c => c == "CreateSnapshotEx_Task"));
    }

    [VSphereTheory]
    [InlineData(Quiescing.Prefer)]
    [InlineData(Quiescing.Require)]
    public async Task A_quiesce_that_hangs_is_ended_by_its_own_time_limit_and_leaves_nothing(Quiescing quiescing)
    {
        using VSphereFixture fixture = New();
        Server.Do("clear");
        // Until it is cancelled.
        Server.Fail("CreateSnapshotEx_Task", "task", "fault", ("name", "ApplicationQuiesceFault"),
            ("wait", 3_600_000));
        using IHypervisor hypervisor = fixture.Connect();
        long begin = fixture.Clock.GetTimestamp();
        Task<IFrozenDisks> freeze = ((IImageSource)hypervisor).FreezeAsync(fixture.Vm,
            How(fixture.DataDisk) with { Quiescing = quiescing }, default);
        if (quiescing == Quiescing.Require)
            Assert.Equal(ErrorIds.QuiesceFailed, (await Assert.ThrowsAsync<NataliaException>(() => freeze)).ErrorId);
        else
            await using (IFrozenDisks frozen = await freeze)
            {
                Assert.Equal(Consistency.Crash, frozen.Consistency);
                Assert.Contains("RequestCanceled", frozen.ConsistencyReason, StringComparison.Ordinal);
            }
        Assert.InRange(fixture.Clock.GetElapsedTime(begin), TimeSpan.FromMinutes(15), TimeSpan.FromMinutes(20));
        Assert.Single(Server.Calls(), c => c == "CancelTask");
        Assert.Empty(Server.Snapshots(Machine));
    }

    [VSphereTheory]
    [InlineData(true, Quiescing.Prefer)]
    [InlineData(false, Quiescing.Prefer)]
    [InlineData(false, Quiescing.Require)]
    public async Task A_snapshot_that_the_server_still_makes_is_told_and_no_other_one_is_begun(bool isStopped,
        Quiescing quiescing)
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        NeverEnd(server);
        using var stop = new CancellationTokenSource();
        using IHypervisor hypervisor = fixture.Connect(null, wait =>
        {
            if (isStopped && wait == 0) stop.Cancel();
            return false;
        });

        NataliaException e = await Assert.ThrowsAnyAsync<NataliaException>(() => ((IImageSource)hypervisor)
            .FreezeAsync(fixture.Vm, How(fixture.DataDisk) with { Quiescing = quiescing }, stop.Token));

        string name = "Natalia.Backup " + new string('a', 32);
        Assert.Contains($"the snapshot '{name}' may still come", e.Message, StringComparison.Ordinal);
        Assert.Contains("The next backup removes it.", e.RecommendedAction, StringComparison.Ordinal);
        Assert.Single(server.Calls(), c => c == "CreateSnapshotEx_Task");
    }

    [VSphereFact]
    public async Task A_snapshot_that_comes_after_a_stop_is_waited_for_and_removed()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        NeverEnd(server);
        var mark = new SnapshotMark
        {
            RunId = new string('a', 32),
            RepositoryId = new string('b', 32),
            HistoryId = new string('c', 32),
            MachineId = server.Appliance.Uuid,
        };
        using var stop = new CancellationTokenSource();
        using IHypervisor hypervisor = fixture.Connect(null, wait =>
        {
            if (wait == 0) stop.Cancel();
            if (wait != 1) return false;
            server.Do("snapshot", ("vm", server.Appliance.Id), ("name", mark.Name), ("text", mark.ToDescription()));
            return true;
        });

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ((IImageSource)hypervisor).FreezeAsync(fixture.Vm,
            How(fixture.DataDisk), stop.Token));

        Assert.Single(server.Calls(), c => c == "RemoveSnapshot_Task");
        Assert.Empty(server.Snapshots(server.Appliance));
    }

    [VSphereFact]
    public async Task A_persons_snapshot_that_the_server_still_makes_is_told()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        NeverEnd(server);
        using var stop = new CancellationTokenSource();
        using IHypervisor hypervisor = fixture.Connect(null, _ =>
        {
            stop.Cancel();
            return false;
        });

        NataliaException e = await Assert.ThrowsAnyAsync<NataliaException>(() => hypervisor.Find<ISnapshots>()!
            .CreateSnapshotAsync(fixture.Vm, new SnapshotRequest(), stop.Token));

        Assert.Contains("the snapshot 'Natalia snapshot ", e.Message, StringComparison.Ordinal);
        Assert.Contains("may still come", e.Message, StringComparison.Ordinal);
        Assert.Contains("Remove-NataliaSnapshot", e.RecommendedAction, StringComparison.Ordinal);
    }

    /// <summary>The next snapshot is made for ever, and the server does not stop it.</summary>
    private static void NeverEnd(SimulatedVSphere server)
    {
        server.Fail("CreateSnapshotEx_Task", "task", "fault", ("name", "ApplicationQuiesceFault"),
            ("wait", 3_600_000));
        server.Fail("CancelTask", "before", "fault", ("name", "NotSupported"), ("times", 9));
    }

    [VSphereFact]
    public async Task A_guest_that_is_silent_afterwards_is_an_error_that_says_so_and_the_snapshot_goes()
    {
        using VSphereFixture fixture = New();
        using IHypervisor hypervisor = fixture.Connect();
        // It was heard of before, and is not when the snapshot stands.
        Server.Do("silence", ("vm", Machine.Id));
        NataliaException silent = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(hypervisor, fixture));
        Assert.Equal(ErrorIds.GuestNotReachable, silent.ErrorId);
        Assert.Contains("may still be frozen", silent.Message, StringComparison.Ordinal);
        Assert.Empty(Server.Snapshots(Machine));
    }

    [VSphereFact]
    public async Task A_failed_freeze_tells_the_snapshot_that_it_could_not_remove()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        using IHypervisor hypervisor = fixture.Connect();
        server.Do("silence", ("vm", server.Appliance.Id));
        server.Fail("RemoveSnapshot_Task", "before", "fault", ("name", "NoPermission"), ("times", 9));

        NataliaException left = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(hypervisor, fixture));

        string name = Assert.Single(server.Snapshots(server.Appliance));
        Assert.Equal(ErrorIds.GuestNotReachable, left.ErrorId);
        Assert.Contains("may still be frozen", left.Message, StringComparison.Ordinal);
        Assert.Contains($"The snapshot '{name}' may still be there, because it could not be removed: ", left.Message,
            StringComparison.Ordinal);
        Assert.StartsWith("The next backup removes it. ", left.RecommendedAction, StringComparison.Ordinal);
    }

    [VSphereFact]
    public async Task A_failed_freeze_tells_that_disks_need_consolidation()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        using IHypervisor hypervisor = fixture.Connect();
        server.Do("silence", ("vm", server.Appliance.Id));
        server.Do("consolidate", ("vm", server.Appliance.Id));

        NataliaException left = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(hypervisor, fixture));

        Assert.Equal(ErrorIds.GuestNotReachable, left.ErrorId);
        Assert.Contains("they need consolidation", left.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("may still be there", left.Message, StringComparison.Ordinal);
        Assert.Contains("-Consolidate", left.RecommendedAction, StringComparison.Ordinal);
    }

    [VSphereTheory]
    [InlineData(Quiescing.Prefer)]
    [InlineData(Quiescing.Require)]
    public async Task A_guest_that_fails_to_quiesce_and_is_silent_then_may_still_be_frozen(Quiescing quiescing)
    {
        using VSphereFixture fixture = New();
        fixture.DeafenGuest();
        using IHypervisor hypervisor = fixture.Connect();
        Server.Do("silence", ("vm", Machine.Id));
        NataliaException silent = await Assert.ThrowsAsync<NataliaException>(
            () => ((IImageSource)hypervisor).FreezeAsync(fixture.Vm,
                How(fixture.DataDisk) with { Quiescing = quiescing }, default));
        Assert.Equal(ErrorIds.GuestNotReachable, silent.ErrorId);
        Assert.Contains("may still be frozen", silent.Message, StringComparison.Ordinal);
        Assert.Empty(Server.Snapshots(Machine));
    }

    [VSphereTheory]
    [InlineData("mode", "independent_persistent", "independent")]
    [InlineData("mode", "rdm", "raw device mapping")]
    [InlineData("sharing", "sharingMultiWriter", "shared with other VMs (sharingMultiWriter)")]
    [InlineData("bus", "physicalSharing", "on a controller that is shared with other VMs (physicalSharing)")]
    public async Task Disks_that_no_snapshot_holds_are_refused_by_name(string what, string value, string said)
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        server.Do("disk", ("vm", server.Appliance.Id), ("disk", 1), (what, value));
        using IHypervisor hypervisor = fixture.Connect();
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() =>
            ((IImageSource)hypervisor).FreezeAsync(fixture.Vm, How(fixture.OtherDisk), default));
        Assert.Equal(ErrorIds.ApplianceNotSuitable, refused.ErrorId);
        Assert.Contains(said, refused.Message, StringComparison.Ordinal);
        Assert.Contains("scsi0:1", refused.Message, StringComparison.Ordinal);
        Assert.Empty(server.Snapshots(server.Appliance));
    }

    [VSphereFact]
    public async Task An_encrypted_VM_and_a_free_license_are_refused_by_name()
    {
        using VSphereFixture fixture = New();
        using IHypervisor hypervisor = fixture.Connect();
        Server.Fail("CreateSnapshotEx_Task", "before", "fault", ("name", "RestrictedVersion"),
            ("text", "Current license or ESXi version prohibits execution of the requested operation."));
        NataliaException free = await Assert.ThrowsAnyAsync<NataliaException>(() => FreezeAsync(hypervisor, fixture));
        Assert.Equal(ErrorIds.LicenseRestricted, free.ErrorId);

        Server.Do("set", ("vm", Machine.Id), ("path", "encrypted"), ("value", "key"));
        NataliaException encrypted = await Assert.ThrowsAsync<NataliaException>(() =>
            FreezeAsync(hypervisor, fixture));
        Assert.Contains("encrypted", encrypted.Message, StringComparison.Ordinal);
    }

    [VSphereFact]
    public async Task A_snapshot_whose_answer_was_lost_is_found_by_its_mark_and_removed()
    {
        using VSphereFixture fixture = New();
        Server.Fail("CreateSnapshotEx_Task", "after", "drop");
        using IHypervisor hypervisor = fixture.Connect();
        NataliaException lost = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(hypervisor, fixture));
        Assert.Equal(ErrorIds.RequestOutcomeUnknown, lost.ErrorId);
        Assert.Empty(Server.Snapshots(Machine));
    }

    [VSphereFact]
    public async Task Snapshots_of_others_stay_and_are_told()
    {
        using VSphereFixture fixture = New();
        Server.Do("snapshot", ("vm", Machine.Id), ("name", "before the upgrade"));
        using IHypervisor hypervisor = fixture.Connect();
        await using (IFrozenDisks frozen = await FreezeAsync(hypervisor, fixture))
            Assert.Equal(1, ((IForeignSnapshots)frozen).ForeignSnapshots);
        Assert.Equal(["before the upgrade"], Server.Snapshots(Machine));
        ISnapshots snapshots = hypervisor.Find<ISnapshots>()!;
        ApplianceSnapshot foreign = Assert.Single(await snapshots.GetSnapshotsAsync(fixture.Vm, default));
        Assert.False(foreign.IsOwn);
        Assert.Equal(ErrorIds.SnapshotNotOwn, (await Assert.ThrowsAsync<NataliaException>(() =>
            snapshots.RemoveSnapshotAsync(fixture.Vm, foreign.SnapshotId, default))).ErrorId);
    }

    [VSphereFact]
    public async Task Disks_that_need_consolidation_are_told_and_merged_on_request()
    {
        using VSphereFixture fixture = New();
        using IHypervisor hypervisor = fixture.Connect();
        Server.Do("consolidate", ("vm", Machine.Id));
        IFrozenDisks frozen = await FreezeAsync(hypervisor, fixture);
        fixture.Write(fixture.DataDisk, 0, [1, 2, 3]);
        NataliaException told = await Assert.ThrowsAsync<NataliaException>(() => frozen.DisposeAsync().AsTask());
        Assert.Equal(ErrorIds.ConsolidationNeeded, told.ErrorId);
        Assert.Empty(Server.Snapshots(Machine));

        IDiskConsolidation merging = hypervisor.Find<IDiskConsolidation>()!;
        Assert.True(await merging.ConsolidateAsync(fixture.Vm, null, default));
        Assert.False(await merging.ConsolidateAsync(fixture.Vm, null, default));
        Assert.Equal([1, 2, 3], File.ReadAllBytes(Machine.Disks[0].File)[..3]);
    }

    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task The_variables_of_UEFI_firmware_come_along_and_a_locked_file_is_told(bool isCenter)
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter);
        using var fixture = new VSphereFixture(server);
        byte[] variables = RepositoryFixture.Disk(8000, 3);
        server.Do("nvram", variables, ("vm", server.Appliance.Id));
        using IHypervisor hypervisor = fixture.Connect();
        await using IFrozenDisks frozen = await FreezeAsync(hypervisor, fixture);
        ApplianceAttachment read = Assert.Single(await ((IFrozenAttachments)frozen).ReadAttachmentsAsync(default));
        Assert.Equal(AttachmentKind.UefiVariables, read.Kind);
        Assert.Equal(variables, read.Content.ToArray());

        server.Fail("GET /folder/", "before", "status", ("status", 500), ("times", 9));
        NataliaException told = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Find<IAttachmentSource>()!.FindAttachmentsAsync(fixture.Vm, default));
        Assert.Equal(ErrorIds.AttachmentNotRead, told.ErrorId);
    }

    [VSphereFact]
    public async Task Tracking_is_switched_on_by_one_snapshot_and_not_beside_others()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        SimulatedVSphere.Machine machine = server.Machines.First(m => m.Name != "natalia-nice");
        using VSphereHypervisor hypervisor = await VSphereHypervisor.ConnectAsync(VSphereServers.Options(server),
            default);
        ApplianceDescription vm = (await hypervisor.GetAppliancesAsync(default)).Single(a => a.Name == machine.Name);
        server.Do("snapshot", ("vm", machine.Id), ("name", "mine"));
        NataliaException refused = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.EnableChangeTrackingAsync(vm, new string('b', 32), default));
        Assert.Equal(ErrorIds.ApplianceNotSuitable, refused.ErrorId);

        server.Do("renew", ("vm", machine.Id));
        server.Do("set", ("vm", machine.Id), ("path", "untracked"), ("value", ""));
        server.Do("clear");
        Assert.True(await hypervisor.EnableChangeTrackingAsync(vm, new string('b', 32), default));
        Assert.Equal(["ReconfigVM_Task", "CreateSnapshotEx_Task", "RemoveSnapshot_Task"],
            server.Calls().Where(c => c.EndsWith("_Task", StringComparison.Ordinal)));
        Assert.False(await hypervisor.EnableChangeTrackingAsync(vm, new string('b', 32), default));
        Assert.Empty(server.Snapshots(machine));
    }

    [VSphereFact]
    public async Task Prerequisites_are_told_by_name()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: true);
        using var fixture = new VSphereFixture(server);
        server.Do("deny", ("privilege", "VirtualMachine.State.CreateSnapshot"));
        server.Do("set", ("vm", server.Appliance.Id), ("path", "tools"), ("value", "guestToolsNotRunning"));
        server.Do("snapshot", ("vm", server.Appliance.Id), ("name", "mine"));
        using IHypervisor hypervisor = fixture.Connect();
        IReadOnlyList<CheckResult> checks = await ((IPrerequisites)hypervisor).TestPrerequisitesAsync(fixture.Vm,
            new PrerequisiteRequest { IsolatedNetwork = "none of that name" }, default);

        CheckResult Get(string name, string target) => checks.First(c => c.Name == name
            && c.Target!.StartsWith(target, StringComparison.Ordinal));
        Assert.Equal(CheckOutcome.Failed, Get("Privilege", "VirtualMachine.State.CreateSnapshot on").Result);
        Assert.Equal(CheckOutcome.Passed, Get("Privilege", "Datastore.Browse on LocalDS_0").Result);
        Assert.Equal(CheckOutcome.Failed, Get("GuestTools", "natalia-nice").Result);
        Assert.Equal(CheckOutcome.Warning, Get("ForeignSnapshots", "natalia-nice").Result);
        Assert.Equal(CheckOutcome.Passed, Get("ChangeTracking", "scsi0:0").Result);
        Assert.Equal(CheckOutcome.Passed, Get("Datastore", "scsi0:1 on LocalDS_0").Result);
        Assert.Equal(CheckOutcome.Failed, Get("IsolatedNetwork", "none").Result);
        // The simulated hosts have names that nobody knows.
        Assert.Contains(checks, c => c.Name == "VMHost" && c.Result == CheckOutcome.Failed
            && c.ErrorId == ErrorIds.ServerUnreachable);
    }

    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Rights_of_restores_that_lack_are_told_and_fail_nothing(bool isCenter)
    {
        using SimulatedVSphere server = SimulatedVSphere.Start([.. isCenter ? Array.Empty<string>() : ["-esx"],
            "-disk-mib", "1", "-second-disk-mib", "1", "-networks", "nowhere,!office"]);
        using var fixture = new VSphereFixture(server);
        using IHypervisor hypervisor = fixture.Connect();
        Assert.All(Restores(await TestAsync(null)), c => Assert.Equal(CheckOutcome.Passed, c.Result));
        string[] denied = ["VirtualMachine.Inventory.Create", "Resource.AssignVMToPool", "Network.Assign",
            "Datastore.AllocateSpace", "VirtualMachine.GuestOperations.Execute"];
        foreach (string privilege in denied) server.Do("deny", ("privilege", privilege));

        // Without a network for restore tests nobody asks for what only those need.
        Assert.Equal(denied[..4].Order(), Missing(await TestAsync(null)));
        IReadOnlyList<CheckResult> isolated = await TestAsync("nowhere"), office = await TestAsync("office");

        Assert.Equal(denied.Order(), Missing(isolated));
        Assert.Contains(Restores(isolated), c => c.Target == "Network.Assign on nowhere");
        Assert.All(isolated, c => Assert.NotEqual((CheckOutcome.Failed, "RestorePrivilege"), (c.Result, c.Name)));
        Assert.DoesNotContain(isolated, c => c.Name == "Privilege" && c.Result != CheckOutcome.Passed);
        Assert.Equal((CheckOutcome.Passed, "no physical adapter"), Way(isolated));
        (CheckOutcome result, string? actual) = Way(office);
        Assert.Equal(CheckOutcome.Warning, result);
        Assert.StartsWith("vmnic1 of ", actual, StringComparison.Ordinal);
        Assert.DoesNotContain(await TestAsync("Nowhere"), c => c.Name == "NoWayOut");

        Task<IReadOnlyList<CheckResult>> TestAsync(string? network) => ((IPrerequisites)hypervisor)
            .TestPrerequisitesAsync(fixture.Vm, new PrerequisiteRequest { IsolatedNetwork = network }, default);

        static IEnumerable<CheckResult> Restores(IReadOnlyList<CheckResult> checks) =>
            checks.Where(c => c.Name == "RestorePrivilege");

        static IEnumerable<string> Missing(IReadOnlyList<CheckResult> checks) => Restores(checks)
            .Where(c => c.Result == CheckOutcome.Warning).Select(c => c.Target!.Split(' ')[0]).Distinct().Order();

        static (CheckOutcome, string?) Way(IReadOnlyList<CheckResult> checks)
        {
            CheckResult way = Assert.Single(checks, c => c.Name == "NoWayOut");
            return (way.Result, way.Actual);
        }
    }

    [VSphereFact]
    public async Task A_free_license_and_old_hardware_are_told_beforehand()
    {
        using SimulatedVSphere server = VSphereFixture.Start(isCenter: false);
        using var fixture = new VSphereFixture(server);
        using IHypervisor hypervisor = fixture.Connect();
        Assert.Equal(CheckOutcome.Passed, (await GetAsync("License")).Result);
        Assert.Equal(CheckOutcome.Passed, (await GetAsync("HardwareVersion")).Result);

        server.Do("license", ("edition", "esxBasic"));
        server.Do("set", ("vm", server.Appliance.Id), ("path", "hardware"), ("value", "vmx-04"));
        CheckResult license = await GetAsync("License"), hardware = await GetAsync("HardwareVersion");

        Assert.Equal((CheckOutcome.Failed, ErrorIds.LicenseRestricted), (license.Result, license.ErrorId));
        Assert.Contains("RestrictedVersion", license.Detail, StringComparison.Ordinal);
        Assert.Equal((CheckOutcome.Warning, "4, tracks no changes"), (hardware.Result, hardware.Actual));

        async Task<CheckResult> GetAsync(string name) => Assert.Single(await ((IPrerequisites)hypervisor)
            .TestPrerequisitesAsync(fixture.Vm, new PrerequisiteRequest(), default), c => c.Name == name);
    }

    [VSphereFact]
    public async Task A_snapshot_that_a_person_wishes_is_made_listed_and_removed()
    {
        using VSphereFixture fixture = New();
        using IHypervisor hypervisor = fixture.Connect();
        ISnapshots snapshots = hypervisor.Find<ISnapshots>()!;
        ApplianceSnapshot made = await snapshots.CreateSnapshotAsync(fixture.Vm,
            new SnapshotRequest { Note = "before 5.2" }, default);
        Assert.Equal((Consistency.FileSystem, true, "before 5.2"), (made.Consistency, made.IsOwn, made.Note));
        // No backup takes it for one of its own.
        Assert.Empty(await ((IImageSource)hypervisor).FindLeftoversAsync(fixture.Vm, default));
        await snapshots.RemoveSnapshotAsync(fixture.Vm, made.SnapshotId, default);
        Assert.Empty(Server.Snapshots(Machine));
    }

    private VSphereFixture New() => new(Server);

    private static FreezeRequest How(params string[] disks) => new()
    {
        DiskIds = disks,
        RunId = new string('a', 32),
        RepositoryId = new string('b', 32),
        HistoryId = new string('c', 32),
    };

    private static Task<IFrozenDisks> FreezeAsync(IHypervisor hypervisor, VSphereFixture fixture) =>
        ((IImageSource)hypervisor).FreezeAsync(fixture.Vm, How(fixture.DataDisk), default);
}
