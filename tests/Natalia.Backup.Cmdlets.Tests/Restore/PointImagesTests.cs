using System.Diagnostics;
using System.Formats.Tar;
using System.Globalization;
using System.Security.Cryptography;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Backup;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Images;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.Restore;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Cmdlets.Tests.Restore;

public sealed class PointImagesTests : IDisposable
{
    private static readonly byte[] s_system = RepositoryFixture.Disk(700_001, 1);
    private static readonly byte[] s_data = RepositoryFixture.Disk(300_000, 2);

    private readonly RepositoryFixture _fixture = new();
    private readonly TemporaryFolder _folder = new();

    public void Dispose()
    {
        _fixture.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_whole_point_is_built_of_its_own_disks_and_the_system_disk_comes_first()
    {
        using Repository repository = await _fixture.CreateAsync();
        LocatedPoint point = await BackupAsync(repository, "scsi1", "scsi0");
        RestoreSource.PointImage image = await PointImages.CreateAsync(point, null, default);

        Assert.Equal([("scsi0", DiskRole.System, 700_001L), ("scsi1", DiskRole.Data, 300_000L)],
            image.Appliance.Disks.Select(d => (d.DiskId, d.Role, d.SizeBytes!.Value)));
        Assert.Equal(4, image.Appliance.ProcessorCount);
        Assert.Equal(s_system, await WriteAsync(image, "scsi0"));
        Assert.Equal(s_data, await WriteAsync(image, "scsi1"));
    }

    [Fact]
    public async Task A_data_disk_gets_its_system_disk_from_an_image()
    {
        using Repository repository = await _fixture.CreateAsync();
        LocatedPoint point = await BackupAsync(repository, "scsi1");
        byte[] fresh = RepositoryFixture.Disk(2_500_000, 3);
        File.WriteAllBytes(_folder["system.raw"], fresh);
        SystemImage system = await SystemImage.FindAsync(_folder["system.raw"], default);
        RestoreSource.PointImage image = await PointImages.CreateAsync(point, system, default);

        Assert.Equal([("scsi0", 2_500_000L), ("scsi1", 300_000L)],
            image.Appliance.Disks.Select(d => (d.DiskId, d.SizeBytes!.Value)));
        Assert.Equal(fresh, await WriteAsync(image, "scsi0"));
        Assert.Equal(s_data, await WriteAsync(image, "scsi1"));
    }

    [Fact]
    public async Task Without_an_image_a_data_disk_is_refused()
    {
        using Repository repository = await _fixture.CreateAsync();
        LocatedPoint point = await BackupAsync(repository, "scsi1");
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(
            () => PointImages.CreateAsync(point, null, default));

        Assert.Equal(ErrorIds.SystemImageRequired, e.ErrorId);
    }

    [Fact]
    public async Task An_image_takes_the_place_of_the_points_own_system_disk()
    {
        using Repository repository = await _fixture.CreateAsync();
        LocatedPoint point = await BackupAsync(repository, "scsi0", "scsi1");
        File.WriteAllBytes(_folder["system.raw"], new byte[1 << 20]);
        RestoreSource.PointImage image = await PointImages.CreateAsync(point,
            await SystemImage.FindAsync(_folder["system.raw"], default), default);

        Assert.Equal(["scsi0", "scsi1"], image.Appliance.Disks.Select(d => d.DiskId));
        Assert.Equal(new byte[1 << 20], await WriteAsync(image, "scsi0"));
    }

    [Fact]
    public async Task A_disk_of_zeros_is_not_written()
    {
        File.WriteAllBytes(_folder["system.raw"], new byte[3 << 20]);
        SystemImage system = await SystemImage.FindAsync(_folder["system.raw"], default);
        using var target = new MemoryDiskTarget();
        await system.WriteAsync(target, null, default);

        Assert.Equal((0, true), (target.WrittenBytes, target.IsComplete));
    }

    [Theory]
    [InlineData("system.raw", ErrorIds.SystemImagePathInvalid)]
    [InlineData("./system.raw", ErrorIds.SystemImagePathInvalid)]
    [InlineData("/nowhere/system.raw", ErrorIds.SystemImageNotFound)]
    [InlineData("/tmp", ErrorIds.SystemImageNotSupported)]
    public async Task What_cannot_be_an_image_is_refused(string path, string id)
    {
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => SystemImage.FindAsync(path, default));

        Assert.Equal(id, e.ErrorId);
    }

    [Theory]
    [InlineData(DiskFormat.Raw, "system.img")]
    [InlineData(DiskFormat.Vhdx, "system.vhdx")]
    [InlineData(DiskFormat.Vmdk, "system.vmdk")]
    [InlineData(DiskFormat.VmdkStreamOptimized, "system.vmdk")]
    public async Task The_system_disk_is_read_from_an_image_or_from_an_ova_with_it(DiskFormat format, string name)
    {
        byte[] disk = Bootable(RepositoryFixture.Disk(3 << 20, 8));
        await WriteAsync(format, name, disk);
        await WriteAsync(format, "data-" + name, RepositoryFixture.Disk(1 << 20, 9));
        string[] files = [_folder[name], OvaPackage.Make(_folder["one.ova"], _folder[name]),
            OvaPackage.Make(_folder["two.OVA"], _folder["data-" + name], _folder[name]),
            OvaPackage.Make(_folder["without-an-ending"], _folder[name])];
        foreach (string file in files)
        {
            SystemImage image = await SystemImage.FindAsync(file, default);
            using var target = new MemoryDiskTarget();
            await image.WriteAsync(target, null, default);
            Assert.True(disk.AsSpan().SequenceEqual(target.Bytes), file);
        }
    }

    [Theory]
    [InlineData("no image", "no disk of its VM has an image")]
    [InlineData("two that boot", "2 disks with an image, and 2 of these have a boot record")]
    [InlineData("two that do not boot", "2 disks with an image, and 0 of these have a boot record")]
    [InlineData("image is missing", "it has no file 'system.img'")]
    [InlineData("image is empty", "'system.img' in it is empty")]
    [InlineData("image is no VMDK", "'system.vmdk' in it is none of the format that its name says")]
    [InlineData("image is compressed", "'system.img' in it is a file compressed by gzip")]
    [InlineData("cut off", "it was cut off")]
    [InlineData("no archive", "its archive is damaged at 0")]
    [InlineData("no description", "it has 0 descriptions")]
    public async Task An_odd_ova_is_refused_for_what_is_odd(string what, string told)
    {
        byte[] boots = Bootable(new byte[1 << 20]);
        string ova = _folder["natalia.ova"], image = _folder["system.img"], other = _folder["other.img"];
        File.WriteAllBytes(image, boots);
        File.WriteAllBytes(other, boots);
        switch (what)
        {
            case "no image":
                OvaPackage.Make(ova);
                break;
            case "two that boot":
                OvaPackage.Make(ova, image, other);
                break;
            case "two that do not boot":
                File.WriteAllBytes(image, new byte[4096]);
                File.WriteAllBytes(other, new byte[4096]);
                OvaPackage.Make(ova, image, other);
                break;
            case "image is missing":
                OvaPackage.Make(ova);
                byte[] text = [.. OvaPackage.Describe(image).Select(c => (byte)c)];
                using (var tar = new TarWriter(File.Create(ova), TarEntryFormat.Pax))
                    tar.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "a.ovf")
                    {
                        DataStream = new MemoryStream(text),
                    });
                break;
            case "image is empty":
                File.WriteAllBytes(image, []);
                OvaPackage.Make(ova, image);
                break;
            case "image is no VMDK":
                File.Move(image, _folder["system.vmdk"]);
                OvaPackage.Make(ova, _folder["system.vmdk"]);
                break;
            case "image is compressed":
                File.WriteAllBytes(image, [0x1F, 0x8B, 8, .. new byte[1000]]);
                OvaPackage.Make(ova, image);
                break;
            case "cut off":
                OvaPackage.Make(ova, image);
                File.WriteAllBytes(ova, File.ReadAllBytes(ova)[..300_000]);
                break;
            case "no archive":
                File.WriteAllBytes(ova, boots);
                break;
            default:
                using (var tar = new TarWriter(File.Create(ova))) tar.WriteEntry(image, "system.img");
                break;
        }

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => SystemImage.FindAsync(ova, default));

        Assert.Equal(ErrorIds.SystemImageNotSupported, e.ErrorId);
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
        // Nothing keeps the file open.
        File.Delete(ova);
    }

    [Theory]
    [InlineData("SHA256({0})= {1}\n", "SHA256", null)]
    [InlineData("\uFEFFSHA2-256({0})= {1}\n", "SHA256", null)]
    [InlineData("SHA1(./{0}) = {1}\r\n", "SHA1", null)]
    [InlineData("\nSHA-512 ({0})={1}", "SHA512", null)]
    [InlineData("MD5(other.vmdk)= 00\nwhatever\nSHA256({0})= {1}\n", "SHA256", null)]
    [InlineData("SHA256({0})= 00{1}\n", "SHA256", "the file 'system.vmdk' in it")]
    [InlineData("SHA256(./{0})= 00{1}\n", "SHA256", "the file 'system.vmdk' in it")]
    [InlineData("SHA1({0})= 1234\n", "SHA1", "the file 'system.vmdk' in it")]
    [InlineData("SHA1({0})= {1}\nSHA1(natalia.ovf)= 1234\n", "SHA1", "the file 'natalia.ovf' in it")]
    [InlineData("SHA256(other.vmdk)= {1}\n", "SHA256", "has no digest of the file 'system.vmdk'")]
    [InlineData("MD5({0})= {1}\n", "SHA1", "has no digest of the file 'system.vmdk'")]
    [InlineData("", "SHA1", "has no digest of the file")]
    public async Task An_ova_is_held_against_its_manifest_before_anything_is_written(string line, string algorithm,
        string? told)
    {
        byte[] disk = Bootable(RepositoryFixture.Disk(3 << 20, 8));
        await WriteAsync(DiskFormat.VmdkStreamOptimized, "system.vmdk", disk);
        string ova = OvaPackage.Make(_folder["natalia.ova"], _folder["system.vmdk"]);
        byte[] image = File.ReadAllBytes(_folder["system.vmdk"]);
        string digest = Convert.ToHexStringLower(CryptographicOperations.HashData(
            new HashAlgorithmName(algorithm), image));
        OvaPackage.Add(ova, "natalia.mf", string.Format(CultureInfo.InvariantCulture, line, "system.vmdk", digest));
        SystemImage system = await SystemImage.FindAsync(ova, default);
        using var target = new MemoryDiskTarget();
        if (told is null)
        {
            await system.WriteAsync(target, null, default);
            Assert.True(disk.AsSpan().SequenceEqual(target.Bytes));
            return;
        }

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => system.WriteAsync(target, null, default));

        Assert.Equal((ErrorIds.SystemImageDamaged, false), (e.ErrorId, target.IsComplete));
        Assert.Contains(told, e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_byte_that_flipped_in_an_ova_is_found_by_its_manifest()
    {
        await WriteAsync(DiskFormat.Raw, "system.img", Bootable(RepositoryFixture.Disk(3 << 20, 8)));
        string ova = OvaPackage.Make(_folder["natalia.ova"], _folder["system.img"]);
        OvaPackage.Add(ova, "natalia.mf", "SHA256(system.img)= "
            + Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(_folder["system.img"]))));
        byte[] bytes = File.ReadAllBytes(ova);
        bytes[bytes.Length / 2] ^= 1;
        File.WriteAllBytes(ova, bytes);
        SystemImage system = await SystemImage.FindAsync(ova, default);
        using var target = new MemoryDiskTarget();

        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => system.WriteAsync(target, null, default));

        Assert.Equal(ErrorIds.SystemImageDamaged, e.ErrorId);
    }

    [Fact]
    public async Task A_damaged_ova_is_an_error_and_never_a_crash()
    {
        byte[] disk = Bootable(RepositoryFixture.Disk(300 << 10, 4));
        await WriteAsync(DiskFormat.VmdkStreamOptimized, "system.vmdk", disk);
        byte[] good = File.ReadAllBytes(OvaPackage.Make(_folder["good"], _folder["system.vmdk"]));
        var random = new Random(1);
        for (int i = 0; i < 300; i++)
        {
            byte[] bad = [.. good];
            // The heads of the archive, the description, and the head of the image.
            for (int n = 0; n < 3; n++) bad[random.Next(i < 200 ? 4096 : bad.Length)] = (byte)random.Next(256);
            if (i % 5 == 0) Array.Resize(ref bad, random.Next(bad.Length));
            File.WriteAllBytes(_folder["bad.ova"], bad);
            try
            {
                using var nowhere = new MemoryDiskTarget();
                SystemImage broken = await SystemImage.FindAsync(_folder["bad.ova"], default);
                if (broken.SizeBytes <= 64 << 20) await broken.WriteAsync(nowhere, null, default);
            }
            catch (NataliaException)
            {
            }
        }
    }

    [Fact]
    public async Task An_image_that_changes_while_it_is_read_is_an_error()
    {
        await WriteAsync(DiskFormat.Vmdk, "system.vmdk", RepositoryFixture.Disk(1 << 20, 4));
        string ova = OvaPackage.Make(_folder["natalia.ova"], _folder["system.vmdk"]);
        SystemImage image = await SystemImage.FindAsync(ova, default);
        using var target = new MemoryDiskTarget();
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => image.WriteAsync(target,
            new Reports(() => File.SetLastWriteTimeUtc(ova, DateTime.UnixEpoch)), default));

        Assert.Equal((ErrorIds.DiskChangedWhileRead, false), (e.ErrorId, target.IsComplete));
    }

    [Fact]
    public async Task A_file_of_another_format_is_named_for_what_it_is()
    {
        File.WriteAllBytes(_folder["system.raw"], [.. "QED\0"u8, .. new byte[9000]]);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(
            () => SystemImage.FindAsync(_folder["system.raw"], default));

        Assert.Equal(ErrorIds.SystemImageNotSupported, e.ErrorId);
        Assert.Contains("a QED image", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-c", "-o", "cluster_size=65536")]
    [InlineData("-c", "-o", "cluster_size=4096,compression_type=zstd")]
    [InlineData("-o", "cluster_size=2M")]
    [InlineData("-o", "compat=0.10")]
    public async Task An_image_that_qemu_img_made_reads_as_the_disk(params string[] how)
    {
        if (!File.Exists("/usr/bin/qemu-img")) return;
        byte[] disk = RepositoryFixture.Disk(5_000_192, 7);
        File.WriteAllBytes(_folder["system.raw"], disk);
        Run("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", .. how, _folder["system.raw"], _folder["s.qcow2"]]);
        SystemImage image = await SystemImage.FindAsync(_folder["s.qcow2"], default);
        using var target = new MemoryDiskTarget();
        await image.WriteAsync(target, null, default);

        Assert.Equal(disk, target.Bytes);
        // A hostile or damaged image is an error of its own, whatever is wrong with it, and never a crash.
        byte[] good = File.ReadAllBytes(_folder["s.qcow2"]);
        var random = new Random(1);
        for (int i = 0; i < 200; i++)
        {
            byte[] bad = (byte[])good.Clone();
            for (int n = 0; n < 3; n++) bad[random.Next(i < 100 ? 112 : bad.Length / 4)] = (byte)random.Next(256);
            File.WriteAllBytes(_folder["bad.qcow2"], bad);
            try
            {
                using var nowhere = new MemoryDiskTarget();
                SystemImage broken = await SystemImage.FindAsync(_folder["bad.qcow2"], default);
                if (broken.SizeBytes <= 64 << 20) await broken.WriteAsync(nowhere, null, default);
            }
            catch (NataliaException)
            {
            }
        }
    }

    [Fact]
    public async Task An_image_that_needs_another_file_is_refused()
    {
        if (!File.Exists("/usr/bin/qemu-img")) return;
        File.WriteAllBytes(_folder["system.raw"], new byte[1 << 20]);
        Run("qemu-img", ["create", "-f", "qcow2", "-b", _folder["system.raw"], "-F", "raw", _folder["s.qcow2"]]);
        NataliaException e = await Assert.ThrowsAsync<NataliaException>(
            () => SystemImage.FindAsync(_folder["s.qcow2"], default));

        Assert.Equal(ErrorIds.SystemImageNotSupported, e.ErrorId);
        Assert.Contains("backing file", e.Message, StringComparison.Ordinal);
    }

    private static byte[] Bootable(byte[] disk)
    {
        (disk[510], disk[511]) = (0x55, 0xAA);
        return disk;
    }

    private async Task WriteAsync(DiskFormat format, string name, byte[] disk)
    {
        using IDiskTarget target = DiskImages.Create(format, _folder[name], overwrite: false);
        await new MemoryDiskSource(disk).CopyToAsync(target);
    }

    private sealed class Reports(Action act) : IProgress<OperationProgress>
    {
        public void Report(OperationProgress value) => act();
    }

    private static void Run(string program, string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
        })!;
        process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }

    private static async Task<byte[]> WriteAsync(RestoreSource.PointImage image, string diskId)
    {
        using var target = new MemoryDiskTarget();
        await image.Write(diskId, target, null, default);
        Assert.True(target.IsComplete);
        return target.Bytes;
    }

    private static async Task<LocatedPoint> BackupAsync(Repository repository, params string[] disks)
    {
        RestorePoint point = await repository.BackupAsync(new BackupRequest
        {
            Appliance = RepositoryFixture.Appliance with
            {
                Disks = [new ApplianceDisk("scsi0", DiskRole.System, null),
                    new ApplianceDisk("scsi1", DiskRole.Data, null)],
            },
            Disks = [.. disks.Select(d => d == "scsi0"
                ? new BackupDisk(d, DiskRole.System, new MemoryDiskSource(s_system))
                : new BackupDisk(d, DiskRole.Data, new MemoryDiskSource(s_data)))],
            TimeUtc = DateTime.UtcNow,
        }, null, null, default);
        var session = new RepositorySession
        {
            Name = "bench",
            RepositoryId = repository.RepositoryId,
            StoreKind = "Memory",
            Location = "memory",
            AuditKeyFingerprint = repository.AuditKeyFingerprint,
            ConnectedUtc = DateTime.UnixEpoch,
        };
        return new LocatedPoint(new RepositoryConnection(session, repository,
            new FolderStoreSettings { Name = "bench", Path = "memory", Access = default }), point);
    }
}
