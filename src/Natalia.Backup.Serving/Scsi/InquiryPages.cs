using System.Buffers.Binary;
using System.Text;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>What INQUIRY tells: SPC-4 §6.6 and §7.8, SBC-3 §6.5.</summary>
internal sealed class InquiryPages(UnitIdentity identity, bool isReadOnly)
{
    /// <summary>READ and WRITE move so many sectors at most: 1 MiB.</summary>
    internal const int MostSectors = 2048;

    /// <summary>WRITE SAME: 16 MiB.</summary>
    internal const int MostSame = 32 * 1024;

    internal const int MostCompared = 128, MostUnmapped = 256, PreferredSectors = 1024;

    /// <summary>In sectors: a block of a point.</summary>
    internal const int Granularity = 128;

    internal static byte[] Standard(bool isThere)
    {
        var bytes = new byte[96];
        bytes[0] = (byte)(isThere ? 0 : 0x7F);
        bytes[2] = 6;
        bytes[3] = 0x12;
        bytes[4] = 96 - 5;
        bytes[7] = 2;
        Put(bytes, 8, 8, "NATALIA");
        Put(bytes, 16, 16, "RESTORE POINT");
        Put(bytes, 32, 4, "1");
        // SAM-5, SPC-4, SBC-3, iSCSI.
        ushort[] versions = [0x00A0, 0x0460, 0x04C0, 0x0960];
        for (int i = 0; i < versions.Length; i++)
            BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(58 + 2 * i), versions[i]);
        return bytes;
    }

    internal byte[] Vital(byte page) => page switch
    {
        0x00 => Page(page, [0x00, 0x80, 0x83, 0xB0, 0xB1, 0xB2]),
        0x80 => Page(page, Encoding.ASCII.GetBytes(identity.Serial)),
        0x83 => Page(page, Designators()),
        0xB0 => Page(page, Limits()),
        // As a disk that does not rotate.
        0xB1 => Page(page, [0, 1, .. new byte[58]]),
        // Thin; what is unmapped reads as zeros, and can be unmapped where it can be written.
        0xB2 => Page(page, [0, (byte)(isReadOnly ? 0x04 : 0xE4), 2, 0]),
        _ => throw ScsiException.InvalidField,
    };

    private byte[] Designators()
    {
        byte[] vendor = Encoding.ASCII.GetBytes("NATALIA " + identity.Serial);
        // NAA 3, locally assigned: 60 bits of the serial.
        byte[] naa = new byte[8];
        for (int i = 0; i < 8; i++) naa[i] = Convert.ToByte(identity.Serial.Substring(2 * i, 2), 16);
        naa[0] = (byte)(0x30 | naa[0] & 15);
        byte[] port = Encoding.UTF8.GetBytes(identity.Port + ",t,0x0001");
        // Ends with a zero, and fills words.
        Array.Resize(ref port, (port.Length + 4) / 4 * 4);
        return [0x02, 0x01, 0, (byte)vendor.Length, .. vendor, 0x01, 0x03, 0, 8, .. naa,
            0x53, 0x98, 0, (byte)port.Length, .. port];
    }

    private static byte[] Limits()
    {
        var bytes = new byte[60];
        // WRITE SAME of no sectors is refused.
        bytes[0] = 1;
        bytes[1] = MostCompared;
        BinaryPrimitives.WriteUInt16BigEndian(bytes.AsSpan(2), 8);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4), MostSectors);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(8), PreferredSectors);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(16), uint.MaxValue);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(20), MostUnmapped);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(24), Granularity);
        BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(28), 0x80000000);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.AsSpan(32), MostSame);
        return bytes;
    }

    private static byte[] Page(byte page, byte[] body) =>
        [0, page, (byte)(body.Length >> 8), (byte)body.Length, .. body];

    private static void Put(byte[] bytes, int at, int length, string text) =>
        Encoding.ASCII.GetBytes(text.PadRight(length)).CopyTo(bytes, at);
}
