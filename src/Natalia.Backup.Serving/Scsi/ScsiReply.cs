namespace Natalia.Backup.Serving.Scsi;

/// <summary>What a unit answers to a command.</summary>
/// <param name="Status">The SCSI status.</param>
/// <param name="Data">What it sends; may be longer than what was asked for.</param>
/// <param name="Sense">Sense data; empty when there is none.</param>
internal readonly record struct ScsiReply(byte Status, ReadOnlyMemory<byte> Data, byte[] Sense)
{
    internal const byte Good = 0, CheckCondition = 2, ReservationConflict = 0x18;

    internal static ScsiReply Ok { get; } = new(Good, default, []);

    internal static ScsiReply Conflict { get; } = new(ReservationConflict, default, []);

    internal static ScsiReply Of(ReadOnlyMemory<byte> data) => new(Good, data, []);
}

/// <summary>A command that is refused or failed: sense key and code, SPC-4 §4.5.</summary>
/// <param name="key">The sense key.</param>
/// <param name="code">Additional sense code and qualifier.</param>
/// <param name="information">Where, for what has a place.</param>
internal sealed class ScsiException(byte key, ushort code, uint? information = null)
    : Exception($"Sense {key:X}/{code:X4}")
{
    internal byte Key => key;

    internal ushort Code => code;

    /// <summary>The error in the fixed format.</summary>
    internal ScsiReply Reply => new(ScsiReply.CheckCondition, default, Fixed(key, code, information));

    internal static byte[] Fixed(byte key, ushort code, uint? information = null)
    {
        var sense = new byte[18];
        sense[0] = (byte)(0x70 | (information is null ? 0 : 0x80));
        sense[2] = key;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32BigEndian(sense.AsSpan(3), information ?? 0);
        sense[7] = 10;
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16BigEndian(sense.AsSpan(12), code);
        return sense;
    }

    internal static ScsiException InvalidOpcode => new(5, 0x2000);
    internal static ScsiException InvalidField => new(5, 0x2400);
    internal static ScsiException InvalidParameter => new(5, 0x2600);
    internal static ScsiException ParameterLength => new(5, 0x1A00);
    internal static ScsiException OutOfRange => new(5, 0x2100);
    internal static ScsiException NoSuchUnit => new(5, 0x2500);
    internal static ScsiException SavingNotSupported => new(5, 0x3900);
    internal static ScsiException NoReservationResources => new(5, 0x5504);
    internal static ScsiException InvalidRelease => new(5, 0x2604);
    internal static ScsiException WriteProtected => new(7, 0x2700);
    internal static ScsiException NoSpace => new(7, 0x2707);
    internal static ScsiException ReadError => new(3, 0x1100);
    internal static ScsiException WriteError => new(3, 0x0C00);
}
