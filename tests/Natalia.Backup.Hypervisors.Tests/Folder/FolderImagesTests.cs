using System.Formats.Tar;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Disks.Vmdk;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Hypervisors.Tests.Folder;

/// <summary>Images of other formats, and exported packages, in a folder of VMs.</summary>
public sealed class FolderImagesTests : IDisposable
{
    private const int MiB = 1024 * 1024;
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(DiskFormat.Vhdx)]
    [InlineData(DiskFormat.Vmdk)]
    [InlineData(DiskFormat.VmdkFlat)]
    [InlineData(DiskFormat.VmdkStreamOptimized)]
    public async Task The_disk_in_an_image_is_listed_with_its_size_and_read(DiskFormat format)
    {
        byte[] disk = Disk();
        await WriteAsync("vm/data" + DiskImages.ExtensionOf(format), format, disk);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal(("data" + DiskImages.ExtensionOf(format), disk.LongLength),
            (Assert.Single(vm.Disks).DiskId, vm.Disks[0].SizeBytes!.Value));
        Assert.True(disk.Matches(await ReadAsync(vm)));
    }

    [Fact]
    public async Task An_image_that_is_in_use_is_listed_with_its_size()
    {
        byte[] disk = Disk();
        await WriteAsync("vm/data.vhdx", DiskFormat.Vhdx, disk);
        using var writing = new FileStream(_folder["vm/data.vhdx"], FileMode.Open, FileAccess.Write,
            FileShare.ReadWrite);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal(disk.LongLength, Assert.Single(vm.Disks).SizeBytes);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(vm));
        Assert.Equal(ErrorIds.DiskInUse, e.ErrorId);
    }

    [Fact]
    public async Task A_chain_is_one_disk_and_its_parent_is_watched_as_well()
    {
        byte[] disk = Disk();
        var parent = new VhdxBuilder(disk.Length);
        Directory.CreateDirectory(_folder["vm"]);
        parent.Write(0, disk).Save(_folder["vm/base.vhdx"]);
        byte[] change = [.. Enumerable.Repeat((byte)7, 4096)];
        new VhdxBuilder(disk.Length).WithParent(parent.DataWriteGuid, @".\base.vhdx", @"C:\VMs\base.vhdx")
            .Write(8192, change).Save(_folder["vm/base_1.avhdx"]);
        change.CopyTo(disk, 8192);

        ApplianceDescription vm = Assert.Single(await List());
        Assert.Equal("base_1.avhdx", Assert.Single(vm.Disks).DiskId);
        Assert.True(disk.Matches(await ReadAsync(vm)));

        await using IFrozenDisks frozen = await FreezeAsync(vm);
        File.SetLastWriteTimeUtc(_folder["vm/base.vhdx"], DateTime.UtcNow.AddMinutes(1));
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => frozen.SealAsync(None));
        Assert.Equal(ErrorIds.DiskChangedWhileRead, e.ErrorId);
    }

    [Fact]
    public async Task A_raw_name_is_read_as_vhdx_only_when_that_is_stated()
    {
        byte[] disk = Disk();
        await WriteAsync("vm/data.raw", DiskFormat.Vhdx, disk);

        ApplianceDescription vm = Assert.Single(await List());
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => FreezeAsync(vm));
        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains("\"format\": \"vhdx\"", e.RecommendedAction);

        File.WriteAllText(_folder["vm/vm.json"],
            """{ "disks": [ { "id": "d", "path": "data.raw", "format": "vhdx" } ] }""");
        Assert.True(disk.Matches(await ReadAsync(Assert.Single(await List()))));
    }

    [Fact]
    public async Task A_fixed_vhd_is_the_disk_of_its_name_whatever_its_guest_wrote_at_the_beginning()
    {
        byte[] inner = Qcow2Image.Make(Disk().AsSpan(0, 4 * MiB).ToArray());
        byte[] disk = [.. inner, .. new byte[MiB]];
        Directory.CreateDirectory(_folder["vm"]);
        File.WriteAllBytes(_folder["vm/data.vhd"], FixedVhd.Make(disk));

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal(disk.LongLength, Assert.Single(vm.Disks).SizeBytes);
        Assert.True(disk.Matches(await ReadAsync(vm)));

        // By another name nobody but its user knows which of the two it is.
        File.Move(_folder["vm/data.vhd"], _folder["vm/data.raw"]);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await FreezeAsync(Assert.Single(await List())));
        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains("\"format\": \"vhd\"", e.RecommendedAction);
    }

    [Fact]
    public async Task An_image_whose_content_is_of_another_format_than_its_name_says_is_refused()
    {
        Directory.CreateDirectory(_folder["vm"]);
        File.WriteAllBytes(_folder["vm/data.vhdx"], Qcow2Image.Make(new byte[MiB]));

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await FreezeAsync(Assert.Single(await List())));

        Assert.Equal(ErrorIds.DiskFormatNotSupported, e.ErrorId);
        Assert.Contains("\"format\": \"qcow2\"", e.RecommendedAction);
    }

    [Fact]
    public async Task An_image_that_claims_a_directory_of_gigabytes_hides_no_other()
    {
        await WriteAsync("good/data.raw", DiskFormat.Raw, Disk());
        Directory.CreateDirectory(_folder["bad"]);
        using (FileStream file = File.Create(_folder["bad/data.qcow2"]))
        {
            file.Write(Qcow2Image.Header(9, 1L << 43, 1 << 28, 512));
            file.SetLength(3L << 30);
        }

        Assert.Contains(await List(), v => v.Name == "good");
    }

    [Fact]
    public async Task The_file_in_which_vmware_notes_changes_is_no_disk()
    {
        byte[] disk = Disk();
        await WriteAsync("vm/data.vmdk", DiskFormat.VmdkFlat, disk);
        File.AppendAllText(_folder["vm/data.vmdk"],
            "\n# Change Tracking File\nchangeTrackPath=\"data-ctk.vmdk\"\n");
        File.WriteAllBytes(_folder["vm/data-ctk.vmdk"], new byte[MiB]);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal("data.vmdk", Assert.Single(vm.Disks).DiskId);
        Assert.True(disk.Matches(await ReadAsync(vm)));
    }

    [Theory]
    [InlineData("windows-1252", new byte[] { 0xFC, 0x80 }, "\u00FC\u20AC")]
    [InlineData("ISO-8859-1", new byte[] { 0xFC }, "\u00FC")]
    [InlineData("UTF-8", new byte[] { 0xC3, 0xBC }, "\u00FC")]
    [InlineData(null, new byte[] { 0xC3, 0xBC }, "\u00FC")]
    public async Task The_names_in_a_vmdk_text_are_read_in_its_encoding(string? encoding, byte[] bytes, string name)
    {
        byte[] disk = Disk();
        await WriteAsync("vm/data.raw", DiskFormat.Raw, disk);
        File.Move(_folder["vm/data.raw"], _folder[$"vm/{name}-flat.vmdk"]);
        string line = encoding is null ? "" : $"encoding=\"{encoding}\"\n";
        File.WriteAllBytes(_folder["vm/data.vmdk"],
        [
            .. Encoding.ASCII.GetBytes($"# Disk DescriptorFile\nversion=1\n{line}parentCID=ffffffff\n"
                + $"RW {disk.Length / 512} FLAT \""),
            .. bytes,
            .. Encoding.ASCII.GetBytes("-flat.vmdk\" 0\n"),
        ]);

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal("data.vmdk", Assert.Single(vm.Disks).DiskId);
        Assert.True(disk.Matches(await ReadAsync(vm)));
    }

    [Fact]
    public async Task Sectors_of_4096_bytes_which_a_point_does_not_keep_are_a_warning()
    {
        byte[] disk = [.. Disk().AsSpan(0, 4 * MiB)];
        Directory.CreateDirectory(_folder["vm"]);
        new VhdxBuilder(disk.Length) { SectorBytes = 4096 }.Write(0, disk).Save(_folder["vm/data.vhdx"]);

        await using IFrozenDisks frozen = await FreezeAsync(Assert.Single(await List()));

        Assert.Contains("sectors of 4096 bytes", Assert.Single(frozen.Warnings));
        Assert.True(disk.Matches(await frozen.GetDisk("data.vhdx").ReadAllocatedAsync()));
    }

    [Fact]
    public async Task A_broken_image_is_refused_with_what_is_wrong()
    {
        await WriteAsync("vm/data.vhdx", DiskFormat.Vhdx, Disk());
        using (FileStream file = File.OpenWrite(_folder["vm/data.vhdx"])) file.SetLength(2 * MiB);

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(async () =>
            await FreezeAsync(Assert.Single(await List())));

        Assert.Equal(ErrorIds.DiskImageInvalid, e.ErrorId);
    }

    [Fact]
    public async Task An_ovf_tells_what_the_vm_is()
    {
        byte[] disk = Disk();
        await WriteAsync("lille/lille-disk1.vmdk", DiskFormat.VmdkStreamOptimized, disk);
        File.WriteAllText(_folder["lille/lille.ovf"], Ovf("lille-disk1.vmdk", disk.Length));

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal(("natalia-lille", 4, 8L << 30, "ovf"),
            (vm.Name, vm.ProcessorCount!.Value, vm.MemoryBytes!.Value, vm.NativeFormat));
        Assert.Equal([new ApplianceNetwork("voice", null, "00:50:56:00:00:01")], vm.Networks);
        Assert.Equal(("vmdisk1", disk.LongLength), (Assert.Single(vm.Disks).DiskId, vm.Disks[0].SizeBytes!.Value));
        Assert.True(disk.Matches(await ReadAsync(vm)));
    }

    [Theory]
    [InlineData(TarEntryFormat.Ustar)]
    [InlineData(TarEntryFormat.Pax)]
    [InlineData(TarEntryFormat.Gnu)]
    public async Task An_ova_is_read_where_it_lies(TarEntryFormat format)
    {
        byte[] disk = Disk();
        string name = format == TarEntryFormat.Ustar ? "disk1.vmdk" : new string('n', 120) + ".vmdk";
        using var outside = new TemporaryFolder();
        using (var target = new VmdkStreamTarget(outside["d.vmdk"]))
            await new MemoryDiskSource(disk).CopyToAsync(target);
        File.WriteAllText(outside["b.ovf"], Ovf(name, disk.Length));
        using (var tar = new TarWriter(File.Create(_folder["brest.ova"]), format))
        {
            tar.WriteEntry(outside["b.ovf"], "brest.ovf");
            tar.WriteEntry(outside["d.vmdk"], name);
        }

        ApplianceDescription vm = Assert.Single(await List());

        Assert.Equal("natalia-lille", vm.Name);
        Assert.True(disk.Matches(await ReadAsync(vm)));
        Assert.Equal(["brest.ova"], _folder.Files);
    }

    [Theory]
    [InlineData("<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>", "DTD")]
    [InlineData("<<", "XML")]
    public async Task An_ovf_brings_nothing_from_outside(string beginning, string word)
    {
        Directory.CreateDirectory(_folder["lille"]);
        File.WriteAllText(_folder["lille/lille.ovf"], beginning + Ovf("x.vmdk", MiB));

        ApplianceInventory inventory = await List();

        Assert.Empty(inventory);
        NataliaException e = Assert.Single(inventory.Problems);
        Assert.Equal(ErrorIds.ApplianceDescriptionInvalid, e.ErrorId);
        Assert.Contains(word, e.Message);
    }

    [Fact]
    public async Task A_file_of_an_ovf_does_not_lead_out_of_the_folder()
    {
        Directory.CreateDirectory(_folder["lille"]);
        File.WriteAllText(_folder["secret.vmdk"], "secret");
        File.WriteAllText(_folder["lille/lille.ovf"], Ovf("../secret.vmdk", MiB));

        Assert.Contains((await List()).Problems, p => p.ErrorId == ErrorIds.PathNotContained);
    }

    [Fact]
    public async Task A_broken_ova_is_a_problem_and_hides_no_other()
    {
        await WriteAsync("good/data.vhdx", DiskFormat.Vhdx, Disk());
        byte[] image = [.. Encoding.ASCII.GetBytes(Ovf("d.vmdk", MiB))];
        using (var memory = new MemoryStream())
        {
            using (var tar = new TarWriter(memory, TarEntryFormat.Ustar, leaveOpen: true))
                tar.WriteEntry(new UstarTarEntry(TarEntryType.RegularFile, "a.ovf")
                {
                    DataStream = new MemoryStream(image),
                });
            byte[] whole = memory.ToArray();
            for (int i = 0; i < 300; i++)
            {
                byte[] broken = [.. whole];
                var random = new Random(i);
                for (int n = 0; n < 3; n++) broken[random.Next(600)] = (byte)random.Next(256);
                if (i % 4 == 0) Array.Resize(ref broken, random.Next(broken.Length));
                File.WriteAllBytes(_folder["bad.ova"], broken);
                ApplianceInventory inventory = await List();
                Assert.Contains(inventory, v => v.Name == "good");
            }
        }
    }

    [Fact]
    public async Task An_ovf_whose_elements_lie_too_deep_hides_no_other_vm()
    {
        const int Depth = 500_000;
        await WriteAsync("lyon/data.raw", DiskFormat.Raw, Disk());
        Directory.CreateDirectory(_folder["deep"]);
        File.WriteAllText(Path.Combine(_folder["deep"], "deep.ovf"),
            string.Concat(Enumerable.Repeat("<a>", Depth)) + string.Concat(Enumerable.Repeat("</a>", Depth)));

        ApplianceInventory all = await List();

        Assert.Equal("lyon", Assert.Single(all).Name);
        Assert.Contains("too deep", Assert.Single(all.Problems).Message, StringComparison.Ordinal);
    }

    private static string Ovf(string file, long bytes) => $"""
        <Envelope xmlns="http://schemas.dmtf.org/ovf/envelope/1" xmlns:ovf="http://schemas.dmtf.org/ovf/envelope/1" xmlns:rasd="http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2/CIM_ResourceAllocationSettingData">
          <References><File ovf:href="{file}" ovf:id="file1"/></References>
          <DiskSection><Info>Disks</Info>
            <Disk ovf:capacity="{bytes / 512}" ovf:capacityAllocationUnits="byte * 2^9" ovf:diskId="vmdisk1" ovf:fileRef="file1"/>
            <Disk ovf:capacity="5" ovf:diskId="unused" ovf:fileRef="file1"/>
          </DiskSection>
          <VirtualSystem ovf:id="lille"><Name>natalia-lille</Name>
            <VirtualHardwareSection>
              <Item><rasd:ResourceType>3</rasd:ResourceType><rasd:VirtualQuantity>4</rasd:VirtualQuantity></Item>
              <Item><rasd:AllocationUnits>byte * 2^20</rasd:AllocationUnits><rasd:ResourceType>4</rasd:ResourceType><rasd:VirtualQuantity>8192</rasd:VirtualQuantity></Item>
              <Item><rasd:Address>00:50:56:00:00:01</rasd:Address><rasd:Connection>voice</rasd:Connection><rasd:ResourceType>10</rasd:ResourceType></Item>
              <Item><rasd:HostResource>ovf:/disk/vmdisk1</rasd:HostResource><rasd:ResourceType>17</rasd:ResourceType></Item>
            </VirtualHardwareSection>
          </VirtualSystem>
        </Envelope>
        """;

    private static byte[] Disk()
    {
        var disk = new byte[5 * MiB + 512];
        new Random(9).NextBytes(disk.AsSpan(0, 2 * MiB));
        disk[^1] = 1;
        return disk;
    }

    private async Task WriteAsync(string name, DiskFormat format, byte[] disk)
    {
        string path = Path.GetFullPath(_folder[name]);
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        using IDiskTarget target = DiskImages.Create(format, path, overwrite: false);
        await new MemoryDiskSource(disk).CopyToAsync(target);
    }

    private async Task<ApplianceInventory> List()
    {
        using FolderHypervisor hypervisor = FolderHypervisor.Open(_folder.Path);
        return await hypervisor.GetAppliancesAsync(None);
    }

    private async Task<IFrozenDisks> FreezeAsync(ApplianceDescription vm)
    {
        using FolderHypervisor hypervisor = FolderHypervisor.Open(_folder.Path);
        return await hypervisor.FreezeAsync(vm, new FreezeRequest
        {
            DiskIds = [vm.Disks[0].DiskId],
            RunId = new string('1', 32),
            RepositoryId = new string('2', 32),
            HistoryId = new string('3', 32),
        }, None);
    }

    private async Task<byte[]> ReadAsync(ApplianceDescription vm)
    {
        await using IFrozenDisks frozen = await FreezeAsync(vm);
        byte[] read = await frozen.GetDisk(vm.Disks[0].DiskId).ReadAllocatedAsync();
        await frozen.SealAsync(None);
        return read;
    }
}
