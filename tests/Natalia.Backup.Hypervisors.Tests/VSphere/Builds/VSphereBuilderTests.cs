using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Configurations;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Builds;

/// <summary>The suite of builders on a simulated vCenter; and what only VMware has to prove.</summary>
public sealed class VSphereBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new VSphereBenchFixture());

    [VSphereFact]
    public async Task On_a_single_host_vms_are_built_too()
    {
        await using var fixture = new VSphereBenchFixture(isCenter: false);
        IHypervisor hypervisor = await fixture.ConnectAsync();

        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "restored" }, null, default);

        Assert.All(PointImages.Disks, d => Assert.Equal(d.Value, fixture.Read(made.NativeId!, d.Key)));
        Assert.Null(fixture.Option(made.NativeId!, "natalia.building"));
        Assert.Equal(["lan", "lan"], fixture.NetworksOf(made.NativeId!));
        Assert.Equal(made.Networks.Count, made.Networks.Select(n => n.MacAddress).Distinct().Count());
    }

    [VSphereFact]
    public async Task A_restored_vm_is_switched_on_and_a_question_is_answered_that_it_was_copied()
    {
        await using var fixture = new VSphereBenchFixture(true, "-ask");
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "restored" }, null, default);

        await hypervisor.Require<IPowerControl>("power").StartAsync(made, default);

        Assert.True(fixture.IsRunning(made.NativeId!));
        Assert.Contains("AnswerVM", fixture.Server.Calls());
    }

    [VSphereTheory]
    [InlineData("PowerOnVM_Task", "after", false)]
    [InlineData("PowerOnVM_Task", "after", true)]
    [InlineData("AnswerVM", "before", true)]
    [InlineData("AnswerVM", "after", true)]
    public async Task A_start_whose_answer_was_lost_is_a_start_all_the_same(string lost, string when, bool asks)
    {
        await using var fixture = new VSphereBenchFixture(true, asks ? ["-ask"] : []);
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "restored" }, null, default);
        int before = fixture.VMs.Count;
        fixture.Server.Fail(lost, when, "drop");

        await hypervisor.Require<IPowerControl>("power").StartAsync(made, default);

        Assert.True(fixture.IsRunning(made.NativeId!));
        Assert.Equal(before, fixture.VMs.Count);
    }

    [VSphereTheory]
    [InlineData("no-such-store", ErrorIds.StorageNotFound)]
    [InlineData("LocalDS_0", ErrorIds.StorageNotSuitable)]
    public async Task A_datastore_that_does_not_fit_is_refused_before_anything_is_made(string store, string errorId)
    {
        await using var fixture = new VSphereBenchFixture(true, "-datastore-type", "vsan");
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        IHypervisor hypervisor = await fixture.ConnectAsync();

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Require<IApplianceBuilder>("building").BeginAsync(PointImages.Create().Appliance,
                new BuildRequest { Name = "restored", Placement = new Placement { Storage = store } }, default));

        Assert.Equal(errorId, e.ErrorId);
        Assert.Equal(before, fixture.VMs);
    }

    [VSphereFact]
    public async Task A_server_that_refuses_the_upload_says_why_and_nothing_is_left()
    {
        await using var fixture = new VSphereBenchFixture();
        IReadOnlyCollection<string> before = [.. fixture.VMs];
        IHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Do("deny", ("privilege", "Datastore.FileManagement"));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Require<IApplianceBuilder>("building").BuildAsync(PointImages.Create(),
                new BuildRequest { Name = "restored" }, null, default));

        Assert.Contains(e.ErrorId, new[] { ErrorIds.PermissionDenied, ErrorIds.DestinationWriteFailed });
        Assert.Equal(before, fixture.VMs);
    }

    [VSphereTheory]
    [InlineData("efi", true)]
    [InlineData("bios", false)]
    public async Task What_the_point_knows_of_the_vm_is_put_back(string firmware, bool hasVariables)
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        byte[] variables = RepositoryFixture.Disk(70_000, 3);
        var attachment = new ApplianceAttachment("vmware.nvram", AttachmentKind.UefiVariables, variables);
        Assert.True(hypervisor.Require<IAttachmentBuilder>("attachments").Takes(attachment, "VMware"));
        Assert.False(hypervisor.Require<IAttachmentBuilder>("attachments").Takes(attachment, "HyperV"));
        RestoreSource.PointImage image = PointImages.Create();
        ApplianceDescription like = image.Appliance with
        {
            NativeFormat = "vim25-config",
            NativeConfiguration = $"""
                <config xmlns="urn:vim25" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
                  <guestId>debian10_64Guest</guestId><firmware>{firmware}</firmware>
                  <hardware><device xsi:type="VirtualLsiLogicController"/><device xsi:type="VirtualE1000"/></hardware>
                </config>
                """,
        };

        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(
            new RestoreSource.PointImage(image.Point, like, image.Write),
            new BuildRequest { Name = "restored", Attachments = [attachment] }, null, default);

        Assert.Contains("debian10_64Guest", made.NativeConfiguration);
        Assert.Equal(firmware == "efi", ConfiguredFirmware.IsUefi(made));
        Assert.Contains("VirtualLsiLogicController", made.NativeConfiguration);
        Assert.Contains("VirtualE1000", made.NativeConfiguration);
        string disk = fixture.Find(made.NativeId!).GetProperty("disks")[0].GetProperty("file").GetString()!;
        string file = Path.Combine(Path.GetDirectoryName(Path.GetDirectoryName(disk))!, "restored", "restored.nvram");
        Assert.Equal(hasVariables, File.Exists(file) && File.ReadAllBytes(file).AsSpan().SequenceEqual(variables));
    }

    [VSphereFact]
    public async Task A_disk_is_replaced_in_a_vm_that_is_off_and_the_old_one_goes_last()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        string disk = made.Disks[1].DiskId;
        string old = fixture.Find(made.NativeId!).GetProperty("disks")[1].GetProperty("file").GetString()!;
        byte[] restored = RepositoryFixture.Disk(3 << 20, 9);
        IDiskReplacer replacer = hypervisor.Require<IDiskReplacer>("replacing");

        await Assert.ThrowsAsync<IOException>(() => replacer.ReplaceDiskAsync(made, disk, restored.Length,
            (target, stop) => throw new IOException("Broken."), default));
        Assert.True(File.Exists(old));
        ApplianceDescription now = await replacer.ReplaceDiskAsync(made, disk, restored.Length,
            (target, stop) => WriteAsync(target, restored, stop), default);

        Assert.Equal(restored.Length, now.Disks.Single(d => d.DiskId == disk).SizeBytes);
        string file = fixture.Find(made.NativeId!).GetProperty("disks").EnumerateArray()
            .Select(d => d.GetProperty("file").GetString()!).Single(f => new FileInfo(f).Length == restored.Length);
        Assert.Equal(restored, File.ReadAllBytes(file));
        Assert.False(File.Exists(old));

        Assert.Null(fixture.Option(made.NativeId!, "natalia.replacing"));

        await hypervisor.Require<IPowerControl>("power").StartAsync(now, default);
        Assert.Equal(ErrorIds.ApplianceRunning, (await Assert.ThrowsAsync<NataliaException>(() =>
            replacer.ReplaceDiskAsync(now, disk, 1024, (_, _) => Task.CompletedTask, default))).ErrorId);
    }

    [VSphereFact]
    public async Task Whenever_a_replacement_dies_the_next_one_removes_what_it_left_and_no_disk_is_missing()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        string id = vm.NativeId!, disk = vm.Disks[1].DiskId;
        var states = new HashSet<string>();
        bool isOver = false;
        for (int lifetime = 1; !isOver; lifetime++)
        {
            byte[] restored = RepositoryFixture.Disk(70_000 / 1024 * 1024, lifetime), later = [.. restored.Reverse()];
            IHypervisor mortal = await fixture.ConnectAsync(lifetime);
            try
            {
                await ReplaceAsync(mortal, restored);
                isOver = true;
            }
            catch (Exception e) when (e is IOException or NataliaException)
            {
                // It died, and could not clear up either.
            }
            bool isReplaced = Disks(fixture, id).Any(f => File.ReadAllBytes(f).AsSpan().SequenceEqual(restored));
            states.Add($"{isReplaced} {fixture.Option(id, "natalia.replacing") is not null}");
            // Before the next one, too, the VM has two whole disks.
            Assert.Equal(2, Disks(fixture, id).Count);
            Assert.All(Disks(fixture, id), f => Assert.True(File.Exists(f)));

            await ReplaceAsync(hypervisor, later);

            Assert.Null(fixture.Option(id, "natalia.replacing"));
            Assert.Contains(Disks(fixture, id), f => File.ReadAllBytes(f).AsSpan().SequenceEqual(later));
            string store = Path.GetDirectoryName(Path.GetDirectoryName(Disks(fixture, id)[0]))!;
            Assert.Equal(Disks(fixture, id).Order(), Directory.GetDirectories(store, "natalia-*")
                .SelectMany(d => Directory.GetFiles(d, "*-flat.vmdk").DefaultIfEmpty(d)).Order());
        }
        // It died before the exchange and behind it.
        Assert.Superset(new HashSet<string> { "False True", "True True" }, states);

        Task ReplaceAsync(IHypervisor on, byte[] bytes) => on.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm,
            disk, bytes.Length, (target, stop) => WriteAsync(target, bytes, stop), default);
    }

    [VSphereFact]
    public async Task Of_two_replacements_at_once_the_one_that_began_later_holds()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        IDiskReplacer replacer = hypervisor.Require<IDiskReplacer>("replacing");
        string disk = vm.Disks[1].DiskId;
        byte[] one = RepositoryFixture.Disk(64 << 10, 1), two = RepositoryFixture.Disk(64 << 10, 2);
        TaskCompletionSource begun = new(), first = new();
        Task? second = null;

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => replacer.ReplaceDiskAsync(vm, disk,
            one.Length, async (target, stop) =>
            {
                await WriteAsync(target, one, stop);
                second = replacer.ReplaceDiskAsync(vm, disk, two.Length, async (later, stopLater) =>
                {
                    begun.SetResult();
                    await first.Task;
                    await WriteAsync(later, two, stopLater);
                }, default);
                await begun.Task;
            }, default));
        Assert.Contains("another replacement has begun", e.Message, StringComparison.Ordinal);
        Assert.NotNull(fixture.Option(vm.NativeId!, "natalia.replacing"));
        first.SetResult();
        await second!;

        Assert.Null(fixture.Option(vm.NativeId!, "natalia.replacing"));
        Assert.Contains(fixture.Find(vm.NativeId!).GetProperty("disks").EnumerateArray(),
            d => File.ReadAllBytes(d.GetProperty("file").GetString()!).AsSpan().SequenceEqual(two));
    }

    /// <summary>One has looked at the VM and is about to remove what the other one, or a dead one, left.</summary>
    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Of_two_replacements_that_meet_one_is_refused_and_no_disk_is_missing(bool isFirstExchanged)
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        byte[] one = RepositoryFixture.Disk(64 << 10, 1), two = RepositoryFixture.Disk(64 << 10, 2);
        TaskCompletionSource reached = new(), go = new();
        // The second one waits before its first change or removal; or the first one before its exchange.
        int changes = 0, wait = isFirstExchanged ? 1 : 2;
        IHypervisor slow = await fixture.ConnectAsync(async method =>
        {
            if (method is not ("ReconfigVM_Task" or "DeleteDatastoreFile_Task") || ++changes != wait) return;
            reached.SetResult();
            await go.Task;
        });
        NataliaException refused;
        if (isFirstExchanged)
        {
            Task? second = null;
            await ReplaceAsync(hypervisor, one, async () =>
            {
                second = ReplaceAsync(slow, two);
                await reached.Task;
            });
            go.SetResult();
            refused = await Assert.ThrowsAnyAsync<NataliaException>(() => second!);
        }
        else
        {
            Task first = ReplaceAsync(slow, one);
            await reached.Task;
            await ReplaceAsync(hypervisor, two);
            go.SetResult();
            refused = await Assert.ThrowsAnyAsync<NataliaException>(() => first);
        }
        Assert.Equal(ErrorIds.ApplianceLocked, refused.ErrorId);
        List<string> disks = Disks(fixture, vm.NativeId!);
        Assert.Equal(isFirstExchanged ? one : two, File.ReadAllBytes(disks[1]));
        Assert.True(File.Exists(disks[0]));
        Assert.Null(fixture.Option(vm.NativeId!, "natalia.replacing"));
        Assert.Equal(2, Directory.GetDirectories(Path.GetDirectoryName(Path.GetDirectoryName(disks[0]))!,
            "natalia-*").Length);

        Task ReplaceAsync(IHypervisor on, byte[] bytes, Func<Task>? onWritten = null) =>
            on.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm, vm.Disks[1].DiskId, bytes.Length,
                async (target, stop) =>
                {
                    await WriteAsync(target, bytes, stop);
                    if (onWritten is not null) await onWritten();
                }, default);
    }

    [VSphereFact]
    public async Task A_copy_of_a_vm_with_the_record_of_a_replacement_takes_nothing_from_the_original()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IApplianceBuilder builder = hypervisor.Require<IApplianceBuilder>("building");
        ApplianceDescription original = await builder.BuildAsync(PointImages.Create(),
            new BuildRequest { Name = "fresh" }, null, default);
        ApplianceDescription copy = await builder.BuildAsync(PointImages.Create(),
            new BuildRequest { Name = "copy" }, null, default);
        fixture.Server.Fail("DeleteDatastoreFile_Task", "before", "fault", ("name", "FileLocked"));
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => ReplaceAsync(original));
        Assert.Contains("is replaced", e.Message, StringComparison.Ordinal);
        Assert.Contains("natalia.replacing", e.RecommendedAction, StringComparison.Ordinal);
        // Extra configuration is copied with a VM.
        fixture.Server.Bench("option", copy.NativeId!, ("key", "natalia.replacing"),
            ("value", fixture.Option(original.NativeId!, "natalia.replacing")!));

        await ReplaceAsync(copy);

        Assert.All(Disks(fixture, original.NativeId!).Concat(Disks(fixture, copy.NativeId!)),
            f => Assert.True(File.Exists(f), f));
        Assert.Null(fixture.Option(copy.NativeId!, "natalia.replacing"));
        await ReplaceAsync(original);
        Assert.Null(fixture.Option(original.NativeId!, "natalia.replacing"));

        Task ReplaceAsync(ApplianceDescription vm) => hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(
            vm, vm.Disks[1].DiskId, 64 << 10,
            (target, stop) => WriteAsync(target, RepositoryFixture.Disk(64 << 10, 1), stop), default);
    }

    [VSphereTheory]
    [InlineData("snapshot", "it has snapshots")]
    [InlineData("disk", "it has a disk that the building did not make ('[")]
    public async Task A_vm_whose_record_stayed_and_that_somebody_uses_is_not_removed(string use, string reason)
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IApplianceBuilder builder = hypervisor.Require<IApplianceBuilder>("building");
        string vm = (await builder.BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null,
            default)).NativeId!;
        // As if the process had died before the last of its calls.
        fixture.Server.Bench("option", vm, ("key", "natalia.building"),
            ("value", $"mine 20260101T000000Z {fixture.Option(vm, "natalia.folder")}"));
        string[] files = fixture.FilesOf(vm);
        if (use == "disk") await fixture.AttachAsync(vm, fixture.Server.Appliance.Disks[0]);
        else fixture.Server.Do("snapshot", ("vm", fixture.Find(vm).GetProperty("id").GetString()!), ("name", "mine"));
        UnfinishedAppliance found = Assert.Single(await builder.FindUnfinishedAsync(default));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            builder.RemoveUnfinishedAsync(found, default));

        Assert.Equal(ErrorIds.NotAnUnfinishedAppliance, e.ErrorId);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.Contains("natalia.building", e.Message, StringComparison.Ordinal);
        Assert.Contains(vm, fixture.VMs);
        Assert.All(files, f => Assert.True(File.Exists(f), f));
    }

    [VSphereTheory]
    [InlineData("cancelled")]
    [InlineData("started")]
    [InlineData("lost")]
    public async Task An_exchange_that_has_begun_is_carried_to_its_end(string trouble)
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        byte[] restored = RepositoryFixture.Disk(64 << 10, 1);
        using var stop = new CancellationTokenSource();
        int changes = 0;
        bool isStarted = false;
        IHypervisor watched = await fixture.ConnectAsync(async method =>
        {
            if (method == "ReconfigVM_Task" && ++changes == 2)
            {
                if (trouble == "cancelled") stop.Cancel();
                if (trouble == "lost") fixture.Server.Fail("ReconfigVM_Task", "after", "drop");
            }
            if (trouble == "started" && changes == 2 && method == "FindByUuid" && !isStarted)
            {
                isStarted = true;
                await hypervisor.Require<IPowerControl>("power").StartAsync(vm, default);
            }
        });

        ApplianceDescription now = await watched.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm,
            vm.Disks[1].DiskId, restored.Length, (target, token) => WriteAsync(target, restored, token), stop.Token);

        Assert.Equal(trouble == "started", fixture.IsRunning(vm.NativeId!));
        Assert.Equal(restored.Length, now.Disks[1].SizeBytes);
        List<string> disks = Disks(fixture, vm.NativeId!);
        Assert.Equal(restored, File.ReadAllBytes(disks[1]));
        Assert.Null(fixture.Option(vm.NativeId!, "natalia.replacing"));
        Assert.Equal(2, Directory.GetDirectories(Path.GetDirectoryName(Path.GetDirectoryName(disks[0]))!,
            "natalia-*").Length);
    }

    [VSphereFact]
    public async Task A_disk_that_lies_upon_another_image_is_not_replaced()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        fixture.Server.Do("disk", ("vm", fixture.Find(vm.NativeId!).GetProperty("id").GetString()!), ("disk", 1),
            ("mode", "linked"));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm, vm.Disks[1].DiskId, 1024,
                (_, _) => throw new InvalidOperationException("Nothing is written."), default));

        Assert.Equal(ErrorIds.ApplianceNotSuitable, e.ErrorId);
        Assert.Contains("2 images", e.Message, StringComparison.Ordinal);
    }

    /// <summary>The files of a VM's disks, on this machine.</summary>
    private static List<string> Disks(VSphereBenchFixture fixture, string nativeId) =>
        [.. fixture.Find(nativeId).GetProperty("disks").EnumerateArray()
            .Select(d => d.GetProperty("file").GetString()!)];

    private static async Task WriteAsync(IDiskTarget target, byte[] bytes, CancellationToken cancellationToken)
    {
        await target.BeginAsync(bytes.Length, cancellationToken);
        await target.WriteAsync(0, bytes, cancellationToken);
        await target.CompleteAsync(cancellationToken);
    }

    [VSphereFact]
    public async Task A_record_that_names_what_may_be_another_vms_removes_nothing()
    {
        await using var fixture = new VSphereBenchFixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = "fresh" }, null, default);
        SimulatedVSphere.Disk other = fixture.Server.Appliance.Disks[0];
        string folder = vm.Disks[0].Location![..vm.Disks[0].Location!.LastIndexOf('/')];
        fixture.Server.Bench("option", vm.NativeId!, ("key", "natalia.replacing"),
            ("value", $"20261130T010203Z {vm.NativeId} {new string('0', 32)} {folder} | {other.Name}"));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() =>
            hypervisor.Require<IDiskReplacer>("replacing").ReplaceDiskAsync(vm, vm.Disks[1].DiskId, 1024,
                (_, _) => throw new InvalidOperationException("Nothing is written."), default));

        Assert.Equal(NataliaErrorKind.Security, e.Kind);
        Assert.Contains(other.Name, e.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(other.File));
    }
}

/// <summary>The same suite on a simulated ESXi host.</summary>
public sealed class EsxiBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() =>
        Task.FromResult<IBuilderFixture>(new VSphereBenchFixture(isCenter: false));
}
