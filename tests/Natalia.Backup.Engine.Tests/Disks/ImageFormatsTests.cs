using System.Text;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Engine.Tests.Disks;

public sealed class ImageFormatsTests
{
    private const int Size = 200 * 1024;

    public static TheoryData<int, string, ImageFormat> Beginnings => new()
    {
        { 0, "vhdxfile", ImageFormat.Vhdx },
        { 0, "conectix", ImageFormat.Vhd },
        { 0, "KDMV", ImageFormat.Vmdk },
        { 0, "COWD", ImageFormat.Vmdk },
        { 0, "# Disk DescriptorFile\nversion=1", ImageFormat.Vmdk },
        { 0, "\r\n# disk descriptorfile", ImageFormat.Vmdk },
        { 0, "QFI\u00FB\0\0\0\u0001", ImageFormat.Qcow },
        { 0, "QFI\u00FB\0\0\0\u0003", ImageFormat.Qcow2 },
        { 0, "QED\0", ImageFormat.Qed },
        { 64, "\u007F\u0010\u00DA\u00BE", ImageFormat.Vdi },
        { 0, "WithouFreSpacExt", ImageFormat.Parallels },
        { 0, "VMA\0", ImageFormat.Container },
        { 257, "ustar", ImageFormat.Container },
        { 0, "\u001F\u008B\u0008", ImageFormat.Container },
        { 0, "(\u00B5/\u00FD", ImageFormat.Container },
        { 0, "\u00FD7zXZ\0", ImageFormat.Container },
    };

    [Theory]
    [MemberData(nameof(Beginnings))]
    public void A_format_is_known_by_the_beginning_of_the_file(int offset, string mark, ImageFormat format)
    {
        byte[] file = File(offset, mark);

        Assert.Equal(format, Detect(file)?.Format);
        Assert.Null(Detect(File(offset + 1, mark))); // the mark means something in its place only
    }

    [Theory]
    [InlineData(Size - 512)]
    [InlineData(Size - 511)]
    [InlineData(Size - 512 - 20 * 512)]
    public void A_fixed_vhd_is_known_by_its_footer_also_when_zeros_follow_it(int at)
    {
        Assert.Equal(ImageFormat.Vhd, Detect(File(at, "conectix"))?.Format);
    }

    [Fact]
    public void Marks_inside_a_disk_and_an_encrypted_disk_are_raw()
    {
        byte[] disk = File(Size - 3 * 512, "conectix");
        disk[Size - 1] = 1;

        Assert.Null(Detect(disk));
        Assert.Null(Detect(File(0, "LUKS\u00BA\u00BE")));
        Assert.Null(Detect(File(4096, "vhdxfile")));
        Assert.Null(Detect(new byte[Size]));
        Assert.Null(Detect([]));
        Assert.Null(Detect([1, 2, 3]));
    }

    [Fact]
    public void What_a_guest_wrote_at_the_beginning_of_a_fixed_vhd_does_not_make_it_another_image()
    {
        byte[] file = File(Size - 512, "conectix");
        File(0, "QFI\u00FB\0\0\0\u0003").AsSpan(0, 8).CopyTo(file);

        Assert.Equal(ImageFormat.Vhd, Detect(file, ImageFormat.Vhd)?.Format);
        Assert.Equal(ImageFormat.Qcow2, Detect(file, ImageFormat.Qcow2)?.Format);
        Assert.Equal(ImageFormat.Unknown, Detect(file)?.Format); // only its user knows
        Assert.Equal(ImageFormat.Unknown, Detect(file, ImageFormat.Raw)?.Format);
    }

    private static DetectedImage? Detect(byte[] file, ImageFormat named = ImageFormat.Unknown)
    {
        int first = Math.Min(file.Length, ImageFormats.FirstBytes),
            last = Math.Min(file.Length, ImageFormats.LastBytes);
        return ImageFormats.Detect(file.AsSpan(0, first), file.AsSpan(file.Length - last), file.Length, named);
    }

    private static byte[] File(int at, string mark)
    {
        var bytes = new byte[Size];
        Encoding.GetEncoding(28591).GetBytes(mark).CopyTo(bytes, at);
        return bytes;
    }
}
