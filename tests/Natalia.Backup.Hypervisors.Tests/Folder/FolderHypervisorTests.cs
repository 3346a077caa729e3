using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;

namespace Natalia.Backup.Hypervisors.Tests.Folder;

public sealed class FolderHypervisorTests : IDisposable
{
    private const string Paris = """
        {
          "id": "6f0f8f9e-3a55-4a6e-9a86-1f3c2f0f7c11", "name": "natalia-paris", "processorCount": 4, "memoryBytes": 8589934592, "site": { "rack": 7 },
          "networks": [ { "name": "voice", "vlan": 110, "macAddress": "00:50:56:00:00:01" }, { "name": "admin", "vlan": 0 } ],
          "disks": [ { "id": "scsi0", "path": "system.raw", "role": "System" }, { "id": "scsi1", "path": "disks/data.raw", "role": "Data" } ]
        }
        """;

    private readonly string _root = Directory.CreateTempSubdirectory("natalia-test-").FullName;
    private readonly FakeTimeProvider _clock = new(new DateTimeOffset(2031, 5, 6, 7, 8, 9, TimeSpan.Zero));

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task A_pipe_for_a_description_is_a_problem_and_not_a_wait()
    {
        if (!OperatingSystem.IsLinux()) return;
        Write("paris/vm.json", Paris);
        Image("paris/system.raw", 100);
        Image("paris/disks/data.raw", 70_001);
        Directory.CreateDirectory(Path.Combine(_root, "lyon"));
        using (var make = System.Diagnostics.Process.Start("mkfifo", [Path.Combine(_root, "lyon", "vm.json")]))
            await make.WaitForExitAsync();

        ApplianceInventory inventory = await List().WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal("natalia-paris", Assert.Single(inventory).Name);
        Assert.Contains("regular file", Assert.Single(inventory.Problems).Message);
    }

    [Fact]
    public async Task A_description_is_told_whole_and_kept_word_for_word()
    {
        Write("paris/vm.json", Paris);
        Image("paris/system.raw", 100);
        Image("paris/disks/data.raw", 70_001);

        ApplianceInventory inventory = await List();

        ApplianceDescription vm = Assert.Single(inventory);
        Assert.Empty(inventory.Problems);
        Assert.Equal(ApplianceIdentity.Create("Folder", "", "6f0f8f9e-3a55-4a6e-9a86-1f3c2f0f7c11"), vm.ApplianceId);
        Assert.Equal(("natalia-paris", "Folder", 4, 8589934592),
            (vm.Name, vm.HypervisorKind, vm.ProcessorCount!.Value, vm.MemoryBytes!.Value));
        Assert.Equal([new ApplianceNetwork("voice", 110, "00:50:56:00:00:01"), new ApplianceNetwork("admin")],
            vm.Networks);
        Assert.Equal([("scsi0", DiskRole.System, 100L), ("scsi1", DiskRole.Data, 70_001L)],
            vm.Disks.Select(d => (d.DiskId, d.Role, d.SizeBytes!.Value)));
        Assert.Equal(("vm.json", Paris), (vm.NativeFormat, vm.NativeConfiguration));
    }

    [Fact]
    public async Task A_folder_with_one_image_is_a_vm_named_like_it()
    {
        Image("natalia [été]/disk.IMG", 5);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal("natalia [été]", vm.Name);
        Assert.Null(vm.NativeConfiguration);
        Assert.Equal("disk.IMG", DataDiskRule.Choose(vm).DiskId);
    }

    [Fact]
    public async Task Several_images_without_a_description_leave_the_choice_to_the_user()
    {
        Image("vm/b.raw", 5);
        Image("vm/a.raw", 6);
        Write("vm/notes.txt", "no image");

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal([("a.raw", DiskRole.Unknown), ("b.raw", DiskRole.Unknown)],
            vm.Disks.Select(d => (d.DiskId, d.Role)));
        Assert.Equal(ErrorIds.DiskAmbiguous, Assert.Throws<NataliaException>(() => DataDiskRule.Choose(vm)).ErrorId);
        Assert.Equal("b.raw", DataDiskRule.Choose(vm, "b.raw").DiskId);
    }

    [Fact]
    public async Task A_description_without_disks_leaves_the_images_to_be_found()
    {
        Write("vm/vm.json", """{ "name": "natalia", "processorCount": 2 }""");
        Image("vm/data.raw", 5);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal("data.raw", Assert.Single(vm.Disks).DiskId);
        Assert.Equal(2, vm.ProcessorCount);
    }

    [Fact]
    public async Task The_id_of_a_vm_without_one_is_that_of_its_folder_however_it_is_reached()
    {
        Image("vms/natalia/data.raw", 5);
        Image("other/natalia/data.raw", 5);
        string direct = Assert.Single(await List("vms")).ApplianceId;

        Assert.Equal(direct, Assert.Single(await List("vms/../vms/")).ApplianceId);
        Assert.NotEqual(direct, Assert.Single(await List("other")).ApplianceId);
        if (OperatingSystem.IsWindows()) return;
        Directory.CreateSymbolicLink(Path.Combine(_root, "link"), Path.Combine(_root, "vms"));
        Assert.Equal(direct, Assert.Single(await List("link")).ApplianceId);
        Image("vms/NATALIA/data.raw", 5);
        Assert.Equal(2, (await List("vms")).Select(v => v.ApplianceId).Distinct().Count());
    }

    [Fact]
    public async Task Empty_and_hidden_folders_are_no_vms()
    {
        Directory.CreateDirectory(Path.Combine(_root, "empty"));
        Write("texts/readme.txt", "hello");
        Image(".snapshot/vm.raw", 5);

        ApplianceInventory inventory = await List();

        Assert.Empty(inventory);
        Assert.Empty(inventory.Problems);
    }

    [Fact]
    public async Task A_directory_that_is_itself_a_vm_is_that_vm_alone()
    {
        Write("vm.json", """{ "id": "1", "name": "here", "disks": [ { "id": "d", "path": "disks/data.raw" } ] }""");
        Image("disks/data.raw", 5);

        Assert.Equal("here", Assert.Single(await List()).Name);
    }

    [Fact]
    public async Task A_stray_image_hides_no_folder()
    {
        Image("stray.raw", 5);
        Image("natalia/data.raw", 5);

        Assert.Equal([Path.GetFileName(_root), "natalia"], (await List()).Select(v => v.Name));
    }

    [Fact]
    public async Task A_folder_that_is_linked_twice_is_listed_once()
    {
        if (OperatingSystem.IsWindows()) return;
        Write("paris/vm.json", """{ "id": "1", "name": "paris", "disks": [] }""");
        Directory.CreateSymbolicLink(Path.Combine(_root, "current"), Path.Combine(_root, "paris"));
        Directory.CreateSymbolicLink(Path.Combine(_root, "loop"), _root);

        ApplianceInventory inventory = await List();

        Assert.Equal("paris", Assert.Single(inventory).Name);
        Assert.Empty(inventory.Problems);
    }

    public static TheoryData<string, string> BadDescriptions => new()
    {
        { "{ \"id\": \"1\",\n  \"name\": }", "line 2" },
        { "", "not JSON" },
        { "[]", "JSON object" },
        { """{ "id": 5 }""", "'id' must be a text" },
        { """{ "name": " " }""", "'name' is empty" },
        { """{ "processorCount": "four" }""", "'processorCount'" },
        { """{ "processorCount": -1 }""", "'processorCount'" },
        { """{ "processorCount": 1.5 }""", "'processorCount'" },
        { """{ "memoryBytes": 99999999999999999999 }""", "'memoryBytes'" },
        { """{ "networks": {} }""", "'networks' must be a list" },
        { """{ "networks": [ { "vlan": 5 } ] }""", "in networks[0], 'name' is missing" },
        { """{ "networks": [ { "name": "a" }, { "name": "b", "vlan": 4095 } ] }""", "in networks[1], 'vlan'" },
        { """{ "networks": [ 7 ] }""", "in networks[0]" },
        { """{ "disks": [ { "path": "data.raw" } ] }""", "in disks[0], 'id' is missing" },
        { """{ "disks": [ { "id": "a" } ] }""", "in disks[0], 'path' is missing" },
        { """{ "disks": [ { "id": "a", "path": "data.raw", "role": "Boot" } ] }""", "'Boot'" },
        { """{ "disks": [ { "id": "a", "path": "data.raw", "format": "Raw,Vhdx" } ] }""", "format" },
        { """{ "disks": [ { "id": "a", "path": "data.raw" }, { "id": "A", "path": "other.raw" } ] }""",
            "in disks[1], its id 'A'" },
        { """{ "disks": [ { "id": "a", "path": "data.raw" }, { "id": "b", "path": "./data.raw" } ] }""",
            "share the image" },
        { """{ "disks": [ { "id": "a", "path": "none.raw" } ] }""", "there is no file 'none.raw'" },
        { """{ "id": "1", "ID": "2" }""", "'id' is stated twice" },
        { """{ "id": "\ud800" }""", "half a character" },
    };

    [Theory]
    [MemberData(nameof(BadDescriptions))]
    public async Task A_bad_description_is_named_with_its_place_and_hides_no_other_vm(string text, string expected)
    {
        Write("bad/vm.json", text);
        Image("bad/data.raw", 5);
        Image("bad/other.raw", 5);
        Image("good/data.raw", 5);

        ApplianceInventory inventory = await List();

        Assert.Equal("good", Assert.Single(inventory).Name);
        NataliaException problem = Assert.Single(inventory.Problems);
        Assert.Equal(ErrorIds.ApplianceDescriptionInvalid, problem.ErrorId);
        Assert.Contains(Path.Combine(_root, "bad", "vm.json"), problem.Message);
        Assert.Contains(expected, problem.Message);
    }

    [Fact]
    public async Task A_huge_description_is_not_read()
    {
        using (FileStream file = Create("bad/vm.json")) file.SetLength(5L << 30);

        Assert.Contains("bytes long", Assert.Single((await List()).Problems).Message);
    }

    [Fact]
    public async Task Comments_trailing_commas_and_other_cases_are_understood()
    {
        Write("vm/vm.json", """
            { // exported by hand
              "ID": "1", "Name": "natalia", "Disks": [ { "Id": "d", "Path": "data.raw", "Role": "data" }, ],
            }
            """);
        Image("vm/data.raw", 5);

        Assert.Equal(DiskRole.Data, Assert.Single(Assert.Single(await List()).Disks).Role);
    }

    [Theory]
    [InlineData("../secret.raw")]
    [InlineData("disks/../../secret.raw")]
    [InlineData("..\\\\secret.raw")]
    [InlineData("/etc/hostname")]
    [InlineData("C:\\\\Windows\\\\win.ini")]
    [InlineData("c:secret.raw")]
    [InlineData("\\\\\\\\server\\\\share\\\\x.raw")]
    [InlineData("a//b.raw")]
    public async Task A_path_out_of_the_folder_is_refused(string path)
    {
        Image("secret.raw", 5);
        Directory.CreateDirectory(Path.Combine(_root, "vm", "disks"));
        Write("vm/vm.json", $$"""{ "disks": [ { "id": "a", "path": "{{path}}" } ] }""");

        ApplianceInventory inventory = await List("");

        Assert.Equal(ErrorIds.PathNotContained, Assert.Single(inventory.Problems).ErrorId);
        Assert.DoesNotContain(inventory, v => v.Name == "vm");
    }

    [Fact]
    public async Task A_link_out_of_the_folder_is_refused_and_one_within_is_not()
    {
        if (OperatingSystem.IsWindows()) return;
        Image("elsewhere/secret.txt", 5);
        Image("inside/disks/v1.raw", 7);
        File.CreateSymbolicLink(Path.Combine(_root, "inside", "data.raw"), "disks/v1.raw");
        Write("linked/readme.txt", "");
        File.CreateSymbolicLink(Path.Combine(_root, "linked", "data.raw"), "../elsewhere/secret.txt");
        Write("through/vm.json", """{ "disks": [ { "id": "a", "path": "disks/secret.txt" } ] }""");
        Directory.CreateSymbolicLink(Path.Combine(_root, "through", "disks"), Path.Combine(_root, "elsewhere"));

        ApplianceInventory inventory = await List();

        Assert.Equal(7, Assert.Single(Assert.Single(inventory).Disks).SizeBytes);
        Assert.Equal([ErrorIds.PathNotContained, ErrorIds.PathNotContained], inventory.Problems.Select(p => p.ErrorId));
    }

    [Fact]
    public async Task Two_vms_of_one_id_are_both_refused()
    {
        Write("one/vm.json", """{ "id": "ABC", "name": "one", "disks": [] }""");
        Write("two/vm.json", """{ "id": "abc", "name": "two", "disks": [] }""");
        Write("three/vm.json", """{ "id": "def", "name": "three", "disks": [] }""");

        ApplianceInventory inventory = await List();

        Assert.Equal("three", Assert.Single(inventory).Name);
        NataliaException problem = Assert.Single(inventory.Problems);
        Assert.Contains("one", problem.Message);
        Assert.Contains("two", problem.Message);
    }

    [Fact]
    public async Task A_missing_folder_is_no_hypervisor()
    {
        Image("file.raw", 5);
        Assert.Equal(ErrorIds.HypervisorNotFound, Assert.Throws<NataliaException>(() => Connect("none")).ErrorId);
        Assert.Equal(ErrorIds.HypervisorNotFound, Assert.Throws<NataliaException>(() => Connect("file.raw")).ErrorId);

        Directory.CreateDirectory(Path.Combine(_root, "gone"));
        using FolderHypervisor hypervisor = Connect("gone");
        Directory.Delete(Path.Combine(_root, "gone"));
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => hypervisor.GetAppliancesAsync(None));
        Assert.Equal(ErrorIds.HypervisorNotFound, e.ErrorId);
    }

    [Fact]
    public async Task Frozen_disks_give_their_bytes_and_the_time_of_freezing()
    {
        Write("paris/vm.json", Paris);
        Image("paris/system.raw", 100);
        byte[] data = Image("paris/disks/data.raw", 70_001);
        File.SetLastWriteTimeUtc(Path.Combine(_root, "paris/disks/data.raw"),
            new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));

        IFrozenDisks frozen = await Freeze("scsi1");

        var read = new byte[data.Length];
        await frozen.GetDisk("scsi1").ReadAsync(0, read, None);
        Assert.Equal(data, read);
        Assert.Equal(_clock.GetUtcNow().UtcDateTime, frozen.TimeUtc);
        Assert.Equal(DateTimeKind.Utc, frozen.TimeUtc.Kind);
        Assert.Equal(Consistency.Crash, frozen.Consistency);
        Assert.Equal(ErrorIds.DiskNotFound, Assert.Throws<NataliaException>(() => frozen.GetDisk("scsi0")).ErrorId);
        await frozen.SealAsync(None);
        await frozen.DisposeAsync();
        File.Delete(Path.Combine(_root, "paris/disks/data.raw"));
    }

    [Fact]
    public async Task An_image_that_was_written_meanwhile_is_found_before_the_point_is_made()
    {
        if (OperatingSystem.IsWindows()) return; // The open image cannot be written there.
        Image("vm/data.raw", 5);
        IFrozenDisks frozen = await Freeze("data.raw");

        using (var writer = new FileStream(Path.Combine(_root, "vm/data.raw"), FileMode.Open, FileAccess.Write,
            FileShare.ReadWrite))
            writer.WriteByte(1);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => frozen.SealAsync(None));
        Assert.Equal(ErrorIds.DiskChangedWhileRead, e.ErrorId);
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task A_disk_that_is_not_the_vms_cannot_be_frozen()
    {
        Image("vm/data.raw", 5);

        Assert.Equal(ErrorIds.DiskNotFound,
            (await Assert.ThrowsAsync<NataliaException>(() => Freeze("data.raw", "other"))).ErrorId);
        File.Move(Path.Combine(_root, "vm/data.raw"), Path.Combine(_root, "vm/renamed.raw")); // nothing holds it
    }

    [Fact]
    public async Task A_vm_that_has_gone_says_so()
    {
        Image("vm/data.raw", 5);
        using FolderHypervisor hypervisor = Connect("");
        ApplianceDescription vm = Assert.Single(await hypervisor.GetAppliancesAsync(None));
        Directory.Delete(Path.Combine(_root, "vm"), recursive: true);

        NataliaException e =
            await Assert.ThrowsAsync<NataliaException>(() => hypervisor.FreezeAsync(vm, How("data.raw"), None));
        Assert.Equal(ErrorIds.ApplianceNotFound, e.ErrorId);
    }

    [Theory]
    [InlineData("data.vhdx", "", "VHDX")]
    [InlineData("data.vmdk", "", "VMDK")]
    [InlineData("data.qcow2", "", "QCOW2")]
    [InlineData("data.raw", "vhdxfile", "VHDX")]
    [InlineData("data.img", "KDMV", "VMDK")]
    public async Task Other_formats_are_listed_and_refused_when_frozen(string name, string beginning, string format)
    {
        Write("vm/" + name, beginning);
        Assert.Equal(name, Assert.Single(Assert.Single(await List()).Disks).DiskId);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => Freeze(name));

        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains(format, e.Message);
    }

    [Fact]
    public async Task A_raw_disk_that_only_looks_like_another_format_can_be_stated_as_raw()
    {
        Write("vm/vm.json", """{ "disks": [ { "id": "d", "path": "data.vhdx", "format": "raw" } ] }""");
        Write("vm/data.vhdx", "vhdxfile and no more");

        await (await Freeze("d")).DisposeAsync();
    }

    [Fact]
    public async Task A_fixed_vhd_in_disguise_is_refused_and_the_error_tells_how_to_state_a_raw_disk()
    {
        var vhd = new byte[65536 + 512];
        "conectix"u8.CopyTo(vhd.AsSpan(65536));
        using (FileStream file = Create("vm/data.img")) file.Write(vhd);
        Image("vm/other [1].img", 512);
        string identity = Assert.Single(await List()).ApplianceId;

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => Freeze("data.img"));
        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains("VHD image of fixed size", e.Message);

        Write("vm/vm.json", e.RecommendedAction![e.RecommendedAction!.IndexOf('{', StringComparison.Ordinal)..]);
        ApplianceDescription vm = Assert.Single(await List());
        Assert.Equal((identity, "data.img,other [1].img"),
            (vm.ApplianceId, string.Join(",", vm.Disks.Select(d => d.DiskId))));
        await (await Freeze("data.img")).DisposeAsync();
    }

    [Fact]
    public async Task An_image_that_is_raw_by_its_content_and_not_by_its_name_can_be_stated_as_raw()
    {
        Image("vm/data-flat.vmdk", 512);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => Freeze("data-flat.vmdk"));

        Assert.Contains("raw by its content", e.Message);
        Assert.Contains("\"format\": \"raw\"", e.RecommendedAction);
    }

    [Theory]
    [InlineData(512, null)]
    [InlineData(513, "no multiple of 512")]
    public async Task A_size_that_no_disk_has_is_told(int size, string? expected)
    {
        Image("vm/data.raw", size);

        IFrozenDisks frozen = await Freeze("data.raw");

        if (expected is null) Assert.Empty(frozen.Warnings);
        else Assert.Contains(expected, Assert.Single(frozen.Warnings));
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task An_empty_image_is_no_disk_to_back_up()
    {
        Image("vm/data.raw", 0);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => Freeze("data.raw"));

        Assert.Equal(ErrorIds.DiskEmpty, e.ErrorId);
        Assert.Equal(Path.Combine(_root, "vm", "data.raw"), e.Target);
    }

    [Fact]
    public async Task An_image_that_was_replaced_with_its_time_put_back_has_no_tracking()
    {
        if (!OperatingSystem.IsLinux()) return;
        Write("vm/vm.json", """{ "disks": [ { "id": "d", "path": "data.raw", "changes": "data.changes.json" } ] }""");
        Image("vm/data.raw", 1024);
        string image = Path.Combine(_root, "vm/data.raw"), changes = Path.Combine(_root, "vm/data.changes.json");
        DateTime written = File.GetLastWriteTimeUtc(image);
        Write("vm/data.changes.json",
            $$"""{ "token": "now", "imageLength": 1024, "imageModifiedUtc": "{{written:o}}", "changes": [ { "since": "then", "extents": [] } ] }""");
        File.SetLastWriteTimeUtc(changes, DateTime.UtcNow.AddMinutes(-1));
        File.WriteAllBytes(image, new byte[1024]);
        File.SetLastWriteTimeUtc(image, written);

        IFrozenDisks frozen = await Freeze("d");
        IChangeTrackingSource tracked = Assert.IsAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("d"));

        Assert.Null(tracked.TrackingToken);
        Assert.Contains("whatever its time", (await tracked.GetChangedExtentsAsync("now", None)).Reason);
        await frozen.DisposeAsync();
        // Whoever touches it says that it is right for the image as it lies.
        File.SetLastWriteTimeUtc(changes, DateTime.UtcNow.AddDays(1));
        frozen = await Freeze("d");
        Assert.Equal("now", Assert.IsAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("d")).TrackingToken);
        await frozen.DisposeAsync();
    }

    [Theory]
    [InlineData("folder")]
    [InlineData("link to nowhere")]
    [InlineData("link out")]
    public async Task What_is_no_description_but_bears_its_name_is_told_and_never_passed_over(string what)
    {
        if (OperatingSystem.IsWindows()) return;
        Image("vm/data.raw", 512);
        Image("good/data.raw", 512);
        Write("elsewhere.json", "{}");
        string path = Path.Combine(_root, "vm", "vm.json");
        if (what == "folder") Directory.CreateDirectory(path);
        else File.CreateSymbolicLink(path, what == "link out" ? "../elsewhere.json" : "nothing");

        ApplianceInventory inventory = await List();

        Assert.Equal("good", Assert.Single(inventory).Name);
        Assert.Equal(what == "link out" ? ErrorIds.PathNotContained : ErrorIds.ApplianceDescriptionInvalid,
            Assert.Single(inventory.Problems).ErrorId);
    }

    [Fact]
    public async Task What_an_export_says_of_changes_is_passed_on_until_the_image_is_written_again()
    {
        Write("vm/vm.json", """{ "disks": [ { "id": "d", "path": "data.raw", "changes": "data.changes.json" } ] }""");
        byte[] data = Image("vm/data.raw", 100_000);
        string image = Path.Combine(_root, "vm/data.raw");
        Write("vm/data.changes.json", $$"""
            { "token": "now", "imageLength": 100000, "imageModifiedUtc": "{{File.GetLastWriteTimeUtc(image):o}}", "changes": [ { "since": "then", "extents": [[4096, 4096]] } ] }
            """);

        IFrozenDisks frozen = await Freeze("d");
        IChangeTrackingSource tracked = Assert.IsAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("d"));
        Assert.Equal("now", tracked.TrackingToken);
        Assert.Equal([new Extent(4096, 4096)], (await tracked.GetChangedExtentsAsync("then", None)).Extents);
        var read = new byte[data.Length];
        await tracked.ReadAsync(0, read, None);
        Assert.Equal(data, read);
        await frozen.DisposeAsync();

        File.SetLastWriteTimeUtc(image, File.GetLastWriteTimeUtc(image).AddSeconds(1));
        frozen = await Freeze("d");
        tracked = Assert.IsAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("d"));
        Assert.Null(tracked.TrackingToken);
        Assert.NotNull((await tracked.GetChangedExtentsAsync("then", None)).Reason);
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task Without_its_changes_file_an_image_is_backed_up_all_the_same()
    {
        Write("vm/vm.json", """{ "disks": [ { "id": "d", "path": "data.raw", "changes": "none.json" } ] }""");
        Image("vm/data.raw", 5);

        IFrozenDisks frozen = await Freeze("d");
        IChangeTrackingSource tracked = Assert.IsAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("d"));

        Assert.Null(tracked.TrackingToken);
        Assert.Contains("none.json", (await tracked.GetChangedExtentsAsync("then", None)).Reason);
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task An_image_of_which_nothing_is_said_has_no_tracking()
    {
        Image("vm/data.raw", 5);

        IFrozenDisks frozen = await Freeze("data.raw");

        Assert.IsNotAssignableFrom<IChangeTrackingSource>(frozen.GetDisk("data.raw"));
        await frozen.DisposeAsync();
    }

    [Fact]
    public async Task A_changes_file_outside_the_folder_is_refused()
    {
        Write("vm/vm.json", """{ "disks": [ { "id": "d", "path": "data.raw", "changes": "../x.json" } ] }""");
        Image("vm/data.raw", 5);

        Assert.Equal(ErrorIds.PathNotContained, Assert.Single((await List()).Problems).ErrorId);
    }

    private async Task<IFrozenDisks> Freeze(params string[] diskIds)
    {
        using FolderHypervisor hypervisor = Connect("");
        ApplianceDescription vm = Assert.Single(await hypervisor.GetAppliancesAsync(None));
        return await hypervisor.FreezeAsync(vm, How(diskIds), None);
    }

    private static FreezeRequest How(params string[] diskIds) => new()
    {
        DiskIds = diskIds,
        RunId = new string('1', 32),
        RepositoryId = new string('2', 32),
        HistoryId = new string('3', 32),
    };

    private FolderHypervisor Connect(string folder) => FolderHypervisor.Open(Path.Combine(_root, folder), _clock);

    private async Task<ApplianceInventory> List(string folder = "")
    {
        using FolderHypervisor hypervisor = Connect(folder);
        return await hypervisor.GetAppliancesAsync(None);
    }

    private FileStream Create(string name)
    {
        string path = Path.Combine(_root, name);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        return File.Create(path);
    }

    private void Write(string name, string text)
    {
        using FileStream file = Create(name);
        file.Write(System.Text.Encoding.UTF8.GetBytes(text));
    }

    private byte[] Image(string name, int size)
    {
        var bytes = new byte[size];
        new Random(size).NextBytes(bytes);
        using FileStream file = Create(name);
        file.Write(bytes);
        return bytes;
    }
}
