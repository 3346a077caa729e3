using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Testing.Disks;

/// <summary>Makes a VHD of fixed size after Microsoft's specification: the disk, and a footer behind it.</summary>
public static class FixedVhd
{
    public static byte[] Make(byte[] disk)
    {
        var footer = new byte[512];
        Encoding.ASCII.GetBytes("conectix").CopyTo(footer, 0);
        footer[13] = 1;
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(40), disk.Length);
        BinaryPrimitives.WriteInt64BigEndian(footer.AsSpan(48), disk.Length);
        footer[63] = 2;
        Guid.NewGuid().ToByteArray().CopyTo(footer, 68);
        DifferencingVhd.Seal(footer, 64);
        return [.. disk, .. footer];
    }
}
