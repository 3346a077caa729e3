using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Files;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Folder;

/// <summary>The suite of builders on real folders, and what only a folder has.</summary>
public sealed class FolderBuilderTests : BuilderConformance
{
    protected override Task<IBuilderFixture> OpenAsync() => Task.FromResult<IBuilderFixture>(new Fixture());

    [Fact]
    public async Task Nothing_is_listed_before_all_of_it_is_there()
    {
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        int original = (await hypervisor.GetAppliancesAsync(default)).Count;
        RestoreSource.PointImage image = PointImages.Create(_ =>
            Assert.Equal(original, hypervisor.GetAppliancesAsync(default).Result.Count));
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(image, new BuildRequest { Name = "restored" }, null, default);
        ApplianceDescription listed = Assert.Single(await hypervisor.GetAppliancesAsync(default),
            a => a.Name == "restored");
        Assert.Equal((made.ApplianceId, made.NativeId), (listed.ApplianceId, listed.NativeId));
    }

    [Fact]
    public async Task A_vm_whose_name_could_not_be_flushed_is_told_to_be_there_and_stays()
    {
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        IApplianceBuilder builder = hypervisor.Require<IApplianceBuilder>("building");
        ((FolderBuilder)builder).FlushFolder = folder =>
            throw new FolderNotFlushedException($"The names in '{folder}'.", 5);

        NataliaException error = await Assert.ThrowsAsync<NataliaException>(() => builder.BuildAsync(
            PointImages.Create(), new BuildRequest { Name = "restored" }, null, default));

        Assert.Equal(ErrorIds.DestinationWriteFailed, error.ErrorId);
        Assert.Contains("power failure", error.Message);
        Assert.DoesNotContain("What was written is removed", error.RecommendedAction);
        Assert.Contains(await hypervisor.GetAppliancesAsync(default), a => a.Name == "restored");
        Assert.Empty(await builder.FindUnfinishedAsync(default));
    }

    [Fact]
    public async Task Attachments_and_the_way_to_start_come_along_and_nothing_that_commands_does()
    {
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        RestoreSource.PointImage image = PointImages.Create();
        ApplianceDescription like = image.Appliance with
        {
            NativeFormat = "vm.json",
            NativeConfiguration = """{ "Firmware": "UEFI", "bus": "sata", "monitorSocket": "/tmp/x", "exec": "rm" }""",
            Networks = [new ApplianceNetwork("lan", 7, "00:11:22:33:44:55"), new ApplianceNetwork("other", 8)],
        };
        byte[] variables = RepositoryFixture.Disk(5000, 3);
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(
            new RestoreSource.PointImage(image.Point, like, image.Write), new BuildRequest
            {
                Name = "restored: 1/2",
                Networks = new Dictionary<string, string> { ["other"] = "lab" },
                Attachments = [new ApplianceAttachment("vars.fd", AttachmentKind.UefiVariables, variables)],
            }, null, default);
        Assert.Equal("restored: 1/2", made.Name);
        Assert.Equal([("lan", 7, null), ("lab", null, null)],
            made.Networks.Select(n => (n.Name, n.Vlan, n.MacAddress)));
        using JsonDocument json = JsonDocument.Parse(made.NativeConfiguration!);
        Assert.Equal(["id", "name", "firmware", "bus", "networks", "disks", "attachments"],
            json.RootElement.EnumerateObject().Select(m => m.Name));
        Assert.Equal("uefi", json.RootElement.GetProperty("firmware").GetString());
        Assert.Equal([new RestorePointAttachment("vars.fd", AttachmentKind.UefiVariables, 5000)],
            await hypervisor.Require<IAttachmentSource>("attachments").FindAttachmentsAsync(made, default));
        Assert.Equal(variables, File.ReadAllBytes(Path.Combine(fixture.FolderOf(made.NativeId!), "attachments",
            "vars.fd")));
    }

    [Fact]
    public async Task Nobody_but_its_owner_may_read_a_VM_that_is_made()
    {
        if (OperatingSystem.IsWindows()) return;
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        var open = new List<string>();
        RestoreSource.PointImage image = PointImages.Create(_ => open.AddRange(Open()));
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building").BuildAsync(image,
            new BuildRequest
            {
                Name = "restored",
                Attachments = [new ApplianceAttachment("vars.fd", AttachmentKind.UefiVariables, new byte[100])],
            }, null, default);
        Assert.Equal(["attachments", "vars.fd", "vm.json"], Directory.EnumerateFileSystemEntries(
            fixture.FolderOf(made.NativeId!), "*", SearchOption.AllDirectories).Select(e => Path.GetFileName(e))
            .Where(e => !e.EndsWith(".raw", StringComparison.Ordinal)).Order(StringComparer.Ordinal));
        open.AddRange(Open());
        Assert.Empty(open);

        // While it is built as well.
        IEnumerable<string> Open() => Directory.EnumerateDirectories(fixture.Location)
            .Where(d => Path.GetFileName(d) != "original")
            .SelectMany(d => Directory.EnumerateFileSystemEntries(d, "*", SearchOption.AllDirectories).Append(d))
            .Where(e => !OperatingSystem.IsWindows() && (File.GetUnixFileMode(e) & Others) != 0);
    }

    [Theory]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("con")]
    [InlineData("a/../../b")]
    [InlineData("lost+found")]
    [InlineData("Zürich 1")]
    public async Task Whatever_the_name_is_the_folder_lies_inside_and_is_listed(string name)
    {
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription made = await hypervisor.Require<IApplianceBuilder>("building")
            .BuildAsync(PointImages.Create(), new BuildRequest { Name = name }, null, default);
        Assert.Equal(name, made.Name);
        Assert.Contains(await hypervisor.GetAppliancesAsync(default), a => a.NativeId == made.NativeId);
        Assert.Equal(fixture.Location, Path.GetDirectoryName(fixture.FolderOf(made.NativeId!)));
    }

    [Fact]
    public async Task A_disk_is_replaced_in_one_step_and_not_before_the_new_one_is_whole()
    {
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = (await hypervisor.GetAppliancesAsync(default)).Single();
        IDiskReplacer replacer = hypervisor.Require<IDiskReplacer>("replacing");
        byte[] old = fixture.Read(vm.NativeId!, "data"), fresh = RepositoryFixture.Disk(old.Length, 9);
        await Assert.ThrowsAsync<IOException>(() => replacer.ReplaceDiskAsync(vm, "data", fresh.Length,
            async (target, stop) =>
            {
                await target.BeginAsync(fresh.Length, stop);
                await target.WriteAsync(0, fresh, stop);
                throw new IOException("the source is gone");
            }, default));
        Assert.Equal(old, fixture.Read(vm.NativeId!, "data"));
        Assert.Equal(["data.raw", "vm.json"], fixture.FilesOf(vm.NativeId!));

        ApplianceDescription made = await replacer.ReplaceDiskAsync(vm, "data", fresh.Length, async (target, stop) =>
        {
            await target.BeginAsync(fresh.Length, stop);
            await target.WriteAsync(0, fresh, stop);
            Assert.Equal(old, fixture.Read(vm.NativeId!, "data"));
            await target.CompleteAsync(stop);
        }, default);
        Assert.Equal(vm.ApplianceId, made.ApplianceId);
        Assert.Equal(fresh, fixture.Read(vm.NativeId!, "data"));
    }

    [Fact]
    public async Task A_disk_that_somebody_has_open_is_not_replaced()
    {
        if (!OperatingSystem.IsLinux()) return;
        await using var fixture = new Fixture();
        IHypervisor hypervisor = await fixture.ConnectAsync();
        ApplianceDescription vm = (await hypervisor.GetAppliancesAsync(default)).Single();
        byte[] old = fixture.Read(vm.NativeId!, "data");
        IDiskReplacer replacer = hypervisor.Require<IDiskReplacer>("replacing");
        // The VM is started while the new disk is written: it must not lose the disk under its feet.
        FileStream? running = null;
        try
        {
            NataliaException late = await Assert.ThrowsAsync<NataliaException>(() => replacer.ReplaceDiskAsync(vm,
                "data", old.Length, async (target, stop) =>
                {
                    await target.BeginAsync(old.Length, stop);
                    running = new FileStream(Path.Combine(fixture.FolderOf(vm.NativeId!), "data.raw"), FileMode.Open,
                        FileAccess.ReadWrite, FileShare.ReadWrite);
                    await target.CompleteAsync(stop);
                }, default));
            Assert.Equal(ErrorIds.ApplianceRunning, late.ErrorId);
            NataliaException early = await Assert.ThrowsAsync<NataliaException>(() => replacer.ReplaceDiskAsync(vm,
                "data", old.Length, (_, _) => throw new InvalidOperationException("It was written."), default));
            Assert.Equal(ErrorIds.ApplianceRunning, early.ErrorId);
        }
        finally
        {
            running?.Dispose();
        }
        Assert.Equal(old, fixture.Read(vm.NativeId!, "data"));
    }

    /// <summary>A directory with one VM, <c>original</c>.</summary>
    private sealed class Fixture : IBuilderFixture
    {
        private readonly TemporaryFolder _folder = new();

        internal Fixture()
        {
            Directory.CreateDirectory(_folder["original"]);
            File.WriteAllBytes(_folder["original/data.raw"], RepositoryFixture.Disk(70_000, 1));
            File.WriteAllText(_folder["original/vm.json"], """
                { "id": "0", "name": "original", "networks": [ { "name": "lan" } ],
                  "disks": [ { "id": "data", "path": "data.raw", "role": "Data", "format": "raw" } ] }
                """);
        }

        internal string Location => _folder.Path;

        public IReadOnlyCollection<string> VMs =>
            [.. Folders.Select(f => f.Id).Order(StringComparer.Ordinal)];

        public string OtherNetwork => "lab";

        public string? UnknownNetwork => null;

        public Task<IHypervisor> ConnectAsync(int? lifetime = null)
        {
            int steps = 0;
            Action<string>? onStep = lifetime is not int most
                ? null
                : step => { if (steps++ >= most) throw new IOException($"It died before: {step}."); };
            return Task.FromResult<IHypervisor>(FolderHypervisor.Open(_folder.Path, null, "Folder", onStep));
        }

        public IReadOnlyList<string> NetworksOf(string nativeId) =>
            [.. Describe(nativeId).Networks.Select(n => n.Name)];

        public byte[] Read(string nativeId, string diskId) =>
            File.ReadAllBytes(Describe(nativeId).Disks.Single(d => d.DiskId == diskId).Location!);

        public void Replace(string nativeId)
        {
            Directory.Delete(FolderOf(nativeId), recursive: true);
            Directory.CreateDirectory(_folder["somebody"]);
            File.WriteAllText(_folder["somebody/vm.json"], $$"""{ "id": "{{nativeId}}", "name": "x", "disks": [] }""");
        }

        internal string FolderOf(string nativeId) => Folders.First(f => f.Id == nativeId).Path;

        internal IEnumerable<string> FilesOf(string nativeId) =>
            Directory.GetFiles(FolderOf(nativeId)).Select(f => Path.GetFileName(f)!).Order(StringComparer.Ordinal);

        public ValueTask DisposeAsync()
        {
            _folder.Dispose();
            return default;
        }

        /// <summary>By what lies there, not by what the hypervisor says.</summary>
        private IEnumerable<(string Path, string Id)> Folders =>
            Directory.GetDirectories(_folder.Path).Select(path => (path, Path.GetFileName(path).StartsWith('.')
                ? Path.GetFileName(path).Split('.')[2]
                : JsonDocument.Parse(File.ReadAllText(Path.Combine(path, "vm.json"))).RootElement.GetProperty("id")
                    .GetString()!));

        private ApplianceDescription Describe(string nativeId) =>
            FolderHypervisor.Open(_folder.Path).GetAppliancesAsync(default).Result.Single(a => a.NativeId == nativeId);
    }
}
