using System.Buffers.Binary;

namespace Natalia.Backup.Engine.Disks.Vmdk;

/// <summary>The header of a sparse file, or the footer that repeats it. Offsets are in bytes.</summary>
internal sealed record VmdkHeader
{
    internal required uint Flags { get; init; }
    internal required long SizeBytes { get; init; }
    internal required int GrainBytes { get; init; }
    internal required long DescriptorOffset { get; init; }
    internal required long DescriptorBytes { get; init; }
    /// <summary>Where the grain directory is; <see cref="VmdkFormat.DirectoryAtEnd"/> where a footer tells.</summary>
    internal required long DirectoryOffset { get; init; }

    internal bool IsCompressed => (Flags & VmdkFormat.FlagCompressed) != 0;

    internal bool HasZeroedGrains => (Flags & VmdkFormat.FlagZeroedGrains) != 0;

    /// <summary>How many tables the directory names.</summary>
    internal long Tables
    {
        get
        {
            long ofTable = GrainBytes * (long)VmdkFormat.EntriesOfTable;
            return (SizeBytes + ofTable - 1) / ofTable;
        }
    }

    internal static bool IsHeader(ReadOnlySpan<byte> bytes) =>
        bytes.Length >= 4 && BinaryPrimitives.ReadUInt32LittleEndian(bytes) == VmdkFormat.Magic;

    /// <exception cref="NataliaException"><c>DiskImageInvalid</c>, <c>DiskFormatNotSupported</c>.</exception>
    internal static VmdkHeader Parse(ImageFault image, byte[] bytes)
    {
        if (!IsHeader(bytes)) throw image.Invalid("it does not begin as such a file must");
        uint version = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(4));
        if (version is 0 or > 3)
            throw image.NotSupported($"is of version {version} of the format, and only 1 to 3 are known");
        uint flags = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(8));
        ulong capacity = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(12));
        ulong grain = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(20));
        uint entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(44));
        ulong directory = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(56));
        if ((flags & VmdkFormat.FlagNewLines) != 0
            && (bytes[73] != '\n' || bytes[74] != ' ' || bytes[75] != '\r' || bytes[76] != '\n'))
            throw image.Invalid("line ends in it were converted, as by a transfer in text mode, so its bytes are lost");
        if (capacity is 0 or > (ulong)(VmdkFormat.MostBytes / VmdkFormat.Sector))
            throw image.Invalid($"its disk is said to have {capacity} sectors");
        if (grain is < VmdkFormat.LeastGrainBytes / VmdkFormat.Sector
            or > VmdkFormat.MostGrainBytes / VmdkFormat.Sector || (grain & (grain - 1)) != 0)
            throw image.Invalid($"its grains are said to have {grain} sectors");
        if (entries != VmdkFormat.EntriesOfTable)
            throw image.Invalid($"its grain tables are said to have {entries} entries");
        bool isCompressed = (flags & VmdkFormat.FlagCompressed) != 0;
        int algorithm = BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(77));
        if (isCompressed && algorithm != VmdkFormat.Deflate)
            throw image.NotSupported($"is compressed in the way {algorithm}, and only deflate is known");
        return new VmdkHeader
        {
            Flags = flags,
            SizeBytes = (long)capacity * VmdkFormat.Sector,
            GrainBytes = (int)grain * VmdkFormat.Sector,
            DescriptorOffset = Bytes(28, "the descriptor"),
            DescriptorBytes = Bytes(36, "the descriptor's length"),
            DirectoryOffset = directory == ulong.MaxValue
                ? VmdkFormat.DirectoryAtEnd
                : Bytes(56, "the grain directory"),
        };

        long Bytes(int at, string what)
        {
            ulong sectors = BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at));
            return sectors <= (ulong)(long.MaxValue / VmdkFormat.Sector)
                ? (long)sectors * VmdkFormat.Sector
                : throw image.Invalid($"{what} is said to be {sectors} sectors");
        }
    }

    /// <summary>A header as it is written here: grains of 64 KiB, and a descriptor behind it.</summary>
    internal static byte[] Make(long sizeBytes, uint version, uint flags, long directorySector,
        long otherDirectorySector, long overheadSectors, ushort algorithm)
    {
        var bytes = new byte[VmdkFormat.Sector];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, VmdkFormat.Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(8), flags | VmdkFormat.FlagNewLines);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(12), sizeBytes / VmdkFormat.Sector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(20), VmdkFormat.GrainBytes / VmdkFormat.Sector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(28), 1);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(36), VmdkDescriptor.EmbeddedSectors);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(44), VmdkFormat.EntriesOfTable);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(48), otherDirectorySector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(56), directorySector);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(64), overheadSectors);
        bytes[73] = (byte)'\n';
        bytes[74] = (byte)' ';
        bytes[75] = (byte)'\r';
        bytes[76] = (byte)'\n';
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(77), algorithm);
        return bytes;
    }
}
