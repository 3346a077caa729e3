using System.Buffers.Binary;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>Opcodes of iSCSI, RFC 7143 §11.2.1.2.</summary>
internal static class Opcodes
{
    internal const byte NopOut = 0x00, ScsiCommand = 0x01, TaskManagement = 0x02, Login = 0x03, Text = 0x04,
        DataOut = 0x05, Logout = 0x06;
    internal const byte NopIn = 0x20, ScsiResponse = 0x21, TaskManagementResponse = 0x22, LoginResponse = 0x23,
        TextResponse = 0x24, DataIn = 0x25, LogoutResponse = 0x26, ReadyToTransfer = 0x31, Reject = 0x3F;
}

/// <summary>
/// A protocol data unit: its header of 48 bytes, and its data. Additional headers are read and have no meaning here:
/// the commands that need them are not offered.
/// </summary>
internal sealed class Pdu
{
    internal const int HeaderBytes = 48;

    internal const uint NoTag = uint.MaxValue;

    internal Pdu(byte opcode, byte flags, byte[]? data = null)
    {
        Header = new byte[HeaderBytes];
        Header[0] = opcode;
        Header[1] = flags;
        Data = data ?? [];
    }

    internal Pdu(byte[] header, byte[] data) => (Header, Data) = (header, data);

    internal byte[] Header { get; }

    internal ReadOnlyMemory<byte> Data { get; init; }

    internal byte Opcode => (byte)(Header[0] & 0x3F);

    internal bool IsImmediate => (Header[0] & 0x40) != 0;

    internal byte Flags => Header[1];

    internal ulong Lun => BinaryPrimitives.ReadUInt64BigEndian(Header.AsSpan(8));

    /// <summary>The initiator's number of the task.</summary>
    internal uint Tag
    {
        get => this[16];
        init => this[16] = value;
    }

    /// <summary>A word of the header.</summary>
    internal uint this[int at]
    {
        get => BinaryPrimitives.ReadUInt32BigEndian(Header.AsSpan(at));
        set => BinaryPrimitives.WriteUInt32BigEndian(Header.AsSpan(at), value);
    }
}

/// <summary>The peer broke the protocol: the connection ends.</summary>
internal sealed class IscsiProtocolException(string message) : IOException(message);
