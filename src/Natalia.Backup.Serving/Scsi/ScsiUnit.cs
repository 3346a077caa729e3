using System.Buffers.Binary;
using Natalia.Backup.Engine;
using Natalia.Backup.Serving.Disks;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>
/// A logical unit: a thin-provisioned disk of sectors of 512 bytes, by SPC-4 and SBC-3. Knows nothing of how commands
/// come. Thread-safe: commands of all initiators run beside each other.
/// </summary>
/// <param name="disk">The disk, in whole sectors; stays the caller's.</param>
/// <param name="identity">What it says of itself.</param>
internal sealed class ScsiUnit(SectorDisk disk, UnitIdentity identity)
{
    internal const int SectorBytes = 512;

    private const int MostParameters = 64 * 1024;

    private readonly InquiryPages _inquiry = new(identity, disk.IsReadOnly);
    private readonly WriteGate _writes = new();
    private readonly HashSet<Nexus> _nexuses = [];

    internal Reservations Reservations { get; } = new();

    private long Sectors => disk.SizeBytes / SectorBytes;

    /// <summary>A session begins.</summary>
    internal void Enter(Nexus nexus)
    {
        lock (_nexuses) _nexuses.Add(nexus);
    }

    /// <summary>A session has ended.</summary>
    internal void Leave(Nexus nexus)
    {
        lock (_nexuses) _nexuses.Remove(nexus);
        Reservations.Leave(nexus);
    }

    /// <summary>The unit was reset: everybody is told.</summary>
    internal void Reset()
    {
        Reservations.Reset();
        lock (_nexuses)
        {
            foreach (Nexus nexus in _nexuses) nexus.Attend(0x2900);
        }
    }

    /// <summary>How many bytes a command brings; what it says is bounded here.</summary>
    /// <exception cref="ScsiException">More than it may.</exception>
    internal static int DataOutBytes(byte[] cdb)
    {
        var command = new Cdb(cdb);
        switch (cdb[0])
        {
            case 0x0A or 0x2A or 0xAA or 0x8A or 0x2E or 0xAE or 0x8E:
                return Bounded(command.Blocks, InquiryPages.MostSectors) * SectorBytes;
            case 0x2F or 0xAF or 0x8F:
                return (cdb[1] >> 1 & 3) switch
                {
                    0 => 0,
                    1 => Bounded(command.Blocks, InquiryPages.MostSectors) * SectorBytes,
                    _ => command.Blocks == 0 ? 0 : SectorBytes,
                };
            case 0x41 or 0x93:
                return cdb[0] == 0x93 && (cdb[1] & 1) != 0 ? 0 : SectorBytes;
            case 0x89:
                return 2 * Bounded(cdb[13], InquiryPages.MostCompared) * SectorBytes;
            case 0x42:
                return Bounded(BinaryPrimitives.ReadUInt16BigEndian(cdb.AsSpan(7)), MostParameters);
            case 0x5F:
                return Bounded(BinaryPrimitives.ReadUInt32BigEndian(cdb.AsSpan(5)), MostParameters);
            default:
                return 0;
        }

        static int Bounded(long number, int most) => number <= most ? (int)number : throw ScsiException.InvalidField;
    }

    /// <summary>
    /// Whether a command must bring exactly what it says: of COMPARE AND WRITE and WRITE SAME, part of it or more would
    /// be something else.
    /// </summary>
    internal static bool IsExact(byte[] cdb) => cdb[0] is 0x89 or 0x41 or 0x93;

    /// <summary>Whether a command reads what it does not send.</summary>
    internal static bool Verifies(byte[] cdb) => cdb[0] is 0x2F or 0xAF or 0x8F or 0x2E or 0xAE or 0x8E;

    /// <summary>How many bytes of memory an answer takes, or what is compared, about.</summary>
    internal static int DataInBytes(byte[] cdb) =>
        cdb[0] is 0x08 or 0x28 or 0xA8 or 0x88 || Verifies(cdb)
            ? (int)Math.Min(new Cdb(cdb).Blocks, InquiryPages.MostSectors) * SectorBytes
            : 4096;

    /// <summary>Carries a command out. Never throws but for cancellation.</summary>
    /// <param name="nexus">Who asks.</param>
    /// <param name="lun">Which unit is meant.</param>
    /// <param name="cdb">The command, 16 bytes.</param>
    /// <param name="data">What it brought.</param>
    internal async Task<ScsiReply> ExecuteAsync(Nexus nexus, ulong lun, byte[] cdb, ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        try
        {
            if (lun != 0 && cdb[0] != 0xA0) return OtherUnit(cdb);
            if (cdb[0] is not (0x12 or 0xA0 or 0x03) && nexus.TakeAttention() is ushort attention)
                throw new ScsiException(6, attention);
            if (Reservations.Conflicts(nexus, cdb)) return ScsiReply.Conflict;
            return await DispatchAsync(nexus, cdb, data, cancellationToken).ConfigureAwait(false);
        }
        catch (ScsiException refused)
        {
            return refused.Reply;
        }
        catch (NataliaException failure)
        {
            return (failure.ErrorId switch
            {
                ErrorIds.OverlayFull => ScsiException.NoSpace,
                ErrorIds.ServedDiskReadOnly => ScsiException.WriteProtected,
                ErrorIds.OverlayFailed => ScsiException.WriteError,
                _ => ScsiException.ReadError,
            }).Reply;
        }
    }

    /// <summary>What a unit that is not there answers.</summary>
    private static ScsiReply OtherUnit(byte[] cdb) => cdb[0] switch
    {
        0x12 when (cdb[1] & 1) == 0 => Cut(InquiryPages.Standard(isThere: false), new Cdb(cdb).Allocation16(3)),
        0x03 => Cut(ScsiException.Fixed(5, 0x2500), cdb[4]),
        _ => throw ScsiException.NoSuchUnit,
    };

    private async Task<ScsiReply> DispatchAsync(Nexus nexus, byte[] cdb, ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        var command = new Cdb(cdb);
        switch (cdb[0])
        {
            // TEST UNIT READY; START STOP UNIT and PREVENT ALLOW MEDIUM REMOVAL: there is nothing to start or to
            // remove.
            case 0x00 or 0x1B or 0x1E:
                return ScsiReply.Ok;
            case 0x03:
                return Cut(nexus.TakeAttention() is ushort attention
                    ? ScsiException.Fixed(6, attention)
                    : ScsiException.Fixed(0, 0), cdb[4]);
            case 0x12:
                if ((cdb[1] & 1) != 0) return Cut(_inquiry.Vital(cdb[2]), command.Allocation16(3));
                if (cdb[2] != 0) throw ScsiException.InvalidField;
                return Cut(InquiryPages.Standard(isThere: true), command.Allocation16(3));
            case 0x1A:
                return Cut(ModePages.Sense(cdb, disk.IsReadOnly, Sectors), cdb[4]);
            case 0x5A:
                return Cut(ModePages.Sense(cdb, disk.IsReadOnly, Sectors), command.Allocation16(7));
            case 0x16:
                return Reservations.Reserve(nexus) ? ScsiReply.Ok : ScsiReply.Conflict;
            case 0x17:
                Reservations.Release(nexus);
                return ScsiReply.Ok;
            case 0x5E:
                return Cut(Reservations.In(cdb[1] & 31), command.Allocation16(7));
            case 0x5F:
                return Reservations.Out(nexus, cdb[1] & 31, cdb[2], data.Span) ? ScsiReply.Ok : ScsiReply.Conflict;
            case 0xA0:
                return ReportLuns(cdb);
            case 0x25 or 0x9E:
                return await CapacityAsync(cdb, command, cancellationToken).ConfigureAwait(false);
            case 0x08 or 0x28 or 0xA8 or 0x88:
                return await ReadAsync(command, cancellationToken).ConfigureAwait(false);
            case 0x2F or 0xAF or 0x8F:
                return await VerifyAsync(command, data, cancellationToken).ConfigureAwait(false);
            case 0x35 or 0x91:
                CheckRange(command.Lba, command.Blocks);
                await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
                return ScsiReply.Ok;
            case 0x0A or 0x2A or 0xAA or 0x8A or 0x2E or 0xAE or 0x8E or 0x41 or 0x93 or 0x42 or 0x89:
                return await ChangeAsync(command, data, cancellationToken).ConfigureAwait(false);
            default:
                throw ScsiException.InvalidOpcode;
        }
    }

    private static ScsiReply ReportLuns(byte[] cdb)
    {
        long allocation = BinaryPrimitives.ReadUInt32BigEndian(cdb.AsSpan(6));
        if (allocation < 16 || cdb[2] > 2) throw ScsiException.InvalidField;
        // Unit 0, or no well-known ones.
        return Cut(cdb[2] == 1 ? new byte[8] : [0, 0, 0, 8, .. new byte[12]], allocation);
    }

    private async Task<ScsiReply> CapacityAsync(byte[] cdb, Cdb command, CancellationToken cancellationToken)
    {
        if (cdb[0] == 0x25)
        {
            // Without PMI, which is obsolete, there must be no address.
            if ((cdb[8] & 1) == 0 && BinaryPrimitives.ReadUInt32BigEndian(cdb.AsSpan(2)) != 0)
                throw ScsiException.InvalidField;
            var small = new byte[8];
            BinaryPrimitives.WriteUInt32BigEndian(small, (uint)Math.Min(Sectors - 1, uint.MaxValue));
            BinaryPrimitives.WriteUInt32BigEndian(small.AsSpan(4), SectorBytes);
            return ScsiReply.Of(small);
        }
        long allocation = BinaryPrimitives.ReadUInt32BigEndian(cdb.AsSpan(10));
        if ((cdb[1] & 31) == 0x10)
        {
            var large = new byte[32];
            BinaryPrimitives.WriteInt64BigEndian(large, Sectors - 1);
            BinaryPrimitives.WriteUInt32BigEndian(large.AsSpan(8), SectorBytes);
            // Thin, and zeros where nothing is.
            large[14] = 0xC0;
            return Cut(large, allocation);
        }
        if ((cdb[1] & 31) != 0x12) throw ScsiException.InvalidField;
        long lba = BinaryPrimitives.ReadInt64BigEndian(cdb.AsSpan(2));
        CheckRange(lba, 1);
        if (allocation < 24) throw ScsiException.InvalidField;
        const int MostExtents = 256;
        int most = (int)Math.Min(MostExtents, (allocation - 8) / 16);
        var extents = new List<(long Lba, uint Count, bool IsHole)>();
        for (int step = 0; lba < Sectors && step < 1024; step++)
        {
            DiskExtent extent = await disk.GetExtentAsync(lba * SectorBytes,
                Math.Min(disk.SizeBytes - lba * SectorBytes, (long)(uint.MaxValue - 1023) * SectorBytes),
                cancellationToken).ConfigureAwait(false);
            uint count = (uint)(extent.Length / SectorBytes);
            if (extents.Count > 0 && extents[extents.Count - 1] is var last && last.IsHole == extent.IsHole
                && uint.MaxValue - last.Count > count)
                extents[extents.Count - 1] = (last.Lba, last.Count + count, last.IsHole);
            else if (extents.Count == most) break;
            else extents.Add((lba, count, extent.IsHole));
            lba += count;
        }
        var bytes = new byte[8 + 16 * extents.Count];
        BinaryPrimitives.WriteInt32BigEndian(bytes, bytes.Length - 4);
        for (int i = 0; i < extents.Count; i++)
        {
            Span<byte> one = bytes.AsSpan(8 + 16 * i);
            BinaryPrimitives.WriteInt64BigEndian(one, extents[i].Lba);
            BinaryPrimitives.WriteUInt32BigEndian(one.Slice(8), extents[i].Count);
            one[12] = (byte)(extents[i].IsHole ? 1 : 0);
        }
        return Cut(bytes, allocation);
    }

    private async Task<ScsiReply> ReadAsync(Cdb command, CancellationToken cancellationToken)
    {
        command.RefuseProtection();
        CheckRange(command.Lba, command.Blocks);
        if (command.Blocks > InquiryPages.MostSectors) throw ScsiException.InvalidField;
        var bytes = new byte[(int)command.Blocks * SectorBytes];
        await disk.ReadAsync(command.Lba * SectorBytes, bytes, cancellationToken).ConfigureAwait(false);
        return ScsiReply.Of(bytes);
    }

    private async Task<ScsiReply> VerifyAsync(Cdb command, ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        command.RefuseProtection();
        int compares = command.Bytes[1] >> 1 & 3;
        if (compares == 2) throw ScsiException.InvalidField;
        CheckRange(command.Lba, command.Blocks);
        if (command.Blocks > InquiryPages.MostSectors) throw ScsiException.InvalidField;
        var bytes = new byte[(int)command.Blocks * SectorBytes];
        await disk.ReadAsync(command.Lba * SectorBytes, bytes, cancellationToken).ConfigureAwait(false);
        if (compares == 0) return ScsiReply.Ok;
        for (int at = 0; at < bytes.Length; at += SectorBytes)
        {
            ReadOnlyMemory<byte> wanted = data.Slice(compares == 3 ? 0 : at);
            // What did not come cannot be compared.
            if (wanted.Length < SectorBytes) break;
            Compare(bytes.AsSpan(at, SectorBytes), wanted.Span.Slice(0, SectorBytes), at);
        }
        return ScsiReply.Ok;
    }

    private static void Compare(ReadOnlySpan<byte> found, ReadOnlySpan<byte> wanted, int at)
    {
        if (found.SequenceEqual(wanted)) return;
        int place = 0;
        while (found[place] == wanted[place]) place++;
        throw new ScsiException(14, 0x1D00, (uint)(at + place));
    }

    private async Task<ScsiReply> ChangeAsync(Cdb command, ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        byte opcode = command.Bytes[0];
        if (opcode == 0x42) return await UnmapAsync(command.Bytes, data, cancellationToken).ConfigureAwait(false);
        long blocks = opcode == 0x89 ? command.Bytes[13] : command.Blocks;
        command.RefuseProtection();
        CheckRange(command.Lba, blocks);
        if (disk.IsReadOnly) throw ScsiException.WriteProtected;
        if (opcode is 0x41 or 0x93) return await SameAsync(command, data, cancellationToken).ConfigureAwait(false);
        if (opcode == 0x89)
        {
            using (await _writes.AloneAsync(cancellationToken).ConfigureAwait(false))
                return await CompareAndWriteAsync(command.Lba, (int)blocks * SectorBytes, data,
                    cancellationToken).ConfigureAwait(false);
        }
        bool verifies = opcode is 0x2E or 0xAE or 0x8E;
        if (verifies && (command.Bytes[1] >> 1 & 3) is 2 or 3) throw ScsiException.InvalidField;
        int length = (int)Math.Min(data.Length, blocks * SectorBytes) / SectorBytes * SectorBytes;
        using (await _writes.BesideAsync(cancellationToken).ConfigureAwait(false))
            await disk.WriteAsync(command.Lba * SectorBytes, data.Slice(0, length), cancellationToken)
                .ConfigureAwait(false);
        // FUA.
        if (opcode is 0x2A or 0xAA or 0x8A && (command.Bytes[1] & 8) != 0)
            await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (!verifies) return ScsiReply.Ok;
        var read = new byte[length];
        await disk.FlushAsync(cancellationToken).ConfigureAwait(false);
        await disk.ReadAsync(command.Lba * SectorBytes, read, cancellationToken).ConfigureAwait(false);
        Compare(read, data.Span.Slice(0, length), 0);
        return ScsiReply.Ok;
    }

    private async Task<ScsiReply> CompareAndWriteAsync(long lba, int length, ReadOnlyMemory<byte> data,
        CancellationToken cancellationToken)
    {
        if (length == 0) return ScsiReply.Ok;
        if (data.Length < 2 * length) throw ScsiException.InvalidField;
        var found = new byte[length];
        await disk.ReadAsync(lba * SectorBytes, found, cancellationToken).ConfigureAwait(false);
        Compare(found, data.Span.Slice(0, length), 0);
        await disk.WriteAsync(lba * SectorBytes, data.Slice(length, length), cancellationToken).ConfigureAwait(false);
        return ScsiReply.Ok;
    }

    private async Task<ScsiReply> SameAsync(Cdb command, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        // ANCHOR, and the obsolete PBDATA and LBDATA.
        if ((command.Bytes[1] & 0x16) != 0 || command.Blocks is 0 or > InquiryPages.MostSame)
            throw ScsiException.InvalidField;
        bool hasNoData = command.Bytes[0] == 0x93 && (command.Bytes[1] & 1) != 0;
        if (!hasNoData && data.Length < SectorBytes) throw ScsiException.InvalidField;
        using (await _writes.BesideAsync(cancellationToken).ConfigureAwait(false))
        {
            long offset = command.Lba * SectorBytes, end = offset + command.Blocks * SectorBytes;
            if (hasNoData || IsZero(data.Span.Slice(0, SectorBytes)))
            {
                await disk.WriteZeroesAsync(offset, end - offset, cancellationToken).ConfigureAwait(false);
                return ScsiReply.Ok;
            }
            var piece = new byte[(int)Math.Min(64 * 1024, end - offset)];
            for (int at = 0; at < piece.Length; at += SectorBytes)
                data.Span.Slice(0, SectorBytes).CopyTo(piece.AsSpan(at));
            while (offset < end)
            {
                int length = (int)Math.Min(piece.Length, end - offset);
                await disk.WriteAsync(offset, piece.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
                offset += length;
            }
        }
        return ScsiReply.Ok;
    }

    private async Task<ScsiReply> UnmapAsync(byte[] cdb, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if ((cdb[1] & 1) != 0) throw ScsiException.InvalidField;
        if (disk.IsReadOnly) throw ScsiException.WriteProtected;
        if (data.Length == 0) return ScsiReply.Ok;
        if (data.Length < 8) throw ScsiException.ParameterLength;
        int length = BinaryPrimitives.ReadUInt16BigEndian(data.Span.Slice(2));
        int count = Math.Min(length, data.Length - 8) / 16;
        if (count > InquiryPages.MostUnmapped) throw ScsiException.InvalidParameter;
        var ranges = new List<(long Lba, long Blocks)>();
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> one = data.Span.Slice(8 + 16 * i);
            long lba = BinaryPrimitives.ReadInt64BigEndian(one), blocks =
                BinaryPrimitives.ReadUInt32BigEndian(one.Slice(8));
            // Nothing at the end is nothing.
            if (blocks == 0 && lba == Sectors) continue;
            CheckRange(lba, blocks);
            ranges.Add((lba, blocks));
        }
        using (await _writes.BesideAsync(cancellationToken).ConfigureAwait(false))
        {
            foreach ((long lba, long blocks) in ranges)
                await disk.WriteZeroesAsync(lba * SectorBytes, blocks * SectorBytes, cancellationToken)
                    .ConfigureAwait(false);
        }
        return ScsiReply.Ok;
    }

    private void CheckRange(long lba, long blocks)
    {
        if (lba < 0 || lba > Sectors || blocks > Sectors - lba || lba == Sectors && blocks == 0)
            throw ScsiException.OutOfRange;
    }

    private static bool IsZero(ReadOnlySpan<byte> bytes)
    {
        foreach (byte b in bytes)
        {
            if (b != 0) return false;
        }
        return true;
    }

    private static ScsiReply Cut(byte[] bytes, long allocation) =>
        ScsiReply.Of(bytes.AsMemory(0, (int)Math.Min(bytes.Length, allocation)));
}
