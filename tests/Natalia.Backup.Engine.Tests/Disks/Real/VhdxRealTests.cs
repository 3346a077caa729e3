using System.Globalization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Disks.Vhdx;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Disks;

namespace Natalia.Backup.Engine.Tests.Disks.Real;

/// <summary>Our reader and writer, the builder of the tests, qemu-img and libvhdi: all read the same.</summary>
public sealed class VhdxRealTests : IDisposable
{
    private const int MiB = VhdxBuilder.MiB;

    /// <summary>Chains are told to libvhdi one by one; it compares the ids itself.</summary>
    internal const string ReadChain = """
        import sys, pyvhdi
        files = []
        for name in sys.argv[2:]:
            file = pyvhdi.file(); file.open(name)
            if files: file.set_parent(files[-1])
            files.append(file)
        with open(sys.argv[1], 'wb') as out:
            left = files[-1].get_media_size()
            while left > 0:
                data = files[-1].read_buffer(min(left, 1 << 20))
                out.write(data); left -= len(data)
        """;

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken None => CancellationToken.None;

    public void Dispose() => _folder.Dispose();

    [QemuImgTheory]
    [InlineData("subformat=dynamic")]
    [InlineData("subformat=dynamic,block_size=1M")]
    [InlineData("subformat=dynamic,block_size=32M,block_state_zero=off")]
    [InlineData("subformat=dynamic,block_size=64M")]
    [InlineData("subformat=dynamic,block_size=256M")]
    [InlineData("subformat=fixed")]
    public async Task What_qemu_writes_we_read(string options)
    {
        byte[] disk = RealImages.Disk();
        File.WriteAllBytes(_folder["disk.raw"], disk);
        RealImages.QemuImg("convert", "-f", "raw", "-O", "vhdx", "-o", options, _folder["disk.raw"],
            _folder["disk.vhdx"]);

        using VhdxDiskSource source = await OpenAsync("disk.vhdx");

        if (Regex.Match(options, "block_size=([0-9]+)M") is { Success: true } block)
            Assert.Equal(long.Parse(block.Groups[1].Value, CultureInfo.InvariantCulture) * MiB, source.BlockBytes);
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(await source.ReadAllocatedAsync()));
    }

    [QemuImgFact]
    public async Task A_log_gives_us_what_qemus_repair_makes_of_it()
    {
        byte[] disk = RealImages.Disk();
        byte[] image = new VhdxBuilder(disk.Length).Write(0, disk).Build();
        byte[] bat = image.AsSpan(VhdxBuilder.BatOffset, 4096).ToArray();
        int first = VhdxBuilder.BatOffset + MiB;
        byte[] sector = [.. Enumerable.Range(0, 4096).Select(i => (byte)(i * 7))];
        VhdxBuilder.PutIntoLog(image,
            [[(VhdxBuilder.BatOffset, bat, 0), (first + 4096, sector, 0)], [(first + MiB, null, 8192)]]);
        image.AsSpan(VhdxBuilder.BatOffset, 4096).Clear();
        File.WriteAllBytes(_folder["disk.vhdx"], image);
        byte[] ours;
        using (VhdxDiskSource source = await OpenAsync("disk.vhdx")) ours = await source.ReadAllAsync();

        RealImages.QemuImg("check", "-r", "all", _folder["disk.vhdx"]);
        RealImages.QemuImg("convert", "-O", "raw", _folder["disk.vhdx"], _folder["theirs.raw"]);

        Assert.True(ours.Matches(File.ReadAllBytes(_folder["theirs.raw"])));
        sector.CopyTo(disk, 4096);
        Array.Clear(disk, MiB, 8192);
        Assert.True(ours.Matches(disk));
    }

    [VhdiTheory]
    [InlineData(MiB, 512)]
    [InlineData(2 * MiB, 512)]
    public async Task Libvhdi_reads_a_chain_as_we_do(int block, int sector)
    {
        byte[] disk = RealImages.Disk(28 * MiB);
        var random = new Random(3);
        var names = new List<string>();
        Guid id = Guid.Empty;
        for (int depth = 0; depth < 4; depth++)
        {
            var builder = new VhdxBuilder(disk.Length) { BlockBytes = block, SectorBytes = sector };
            if (depth == 0) builder.Write(0, disk);
            else
            {
                builder.WithParent(id, $@".\{depth - 1}.vhdx", $@"C:\VMs\{depth - 1}.vhdx");
                for (int i = 0; i < 5; i++)
                {
                    var bytes = new byte[random.Next(1, 40) * sector];
                    random.NextBytes(bytes);
                    int at = random.Next((disk.Length - bytes.Length) / sector) * sector;
                    builder.Write(at, bytes);
                    bytes.CopyTo(disk, at);
                }
            }
            id = builder.DataWriteGuid;
            names.Add(_folder[$"{depth}.vhdx"]);
            builder.Save(names[depth]);
        }

        RealImages.Python(ReadChain, [_folder["theirs.raw"], .. names]);

        using VhdxDiskSource source = await OpenAsync("3.vhdx");
        Assert.True(disk.Matches(await source.ReadAllAsync()));
        Assert.True(disk.Matches(File.ReadAllBytes(_folder["theirs.raw"])));
    }

    private Task<VhdxDiskSource> OpenAsync(string name) => VhdxDiskSource.OpenAsync(RawDiskSource.Open(_folder[name]),
        new ParentImagesInFolder(_folder.Path), None);
}
