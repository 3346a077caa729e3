using System.Buffers.Binary;

namespace Natalia.Backup.Testing.Disks;

/// <summary>Makes small QCOW2 images after QEMU's specification, also such as no tool makes.</summary>
public static class Qcow2Image
{
    /// <summary>Where <see cref="Make"/> puts the directory of tables, and the first table.</summary>
    public const int DirectoryOffset = 64 * 1024, TableOffset = 2 * 64 * 1024;

    private const int ClusterBits = 16, Cluster = 1 << ClusterBits;

    /// <summary>An image of version 3 with one table of clusters of 64 KiB; the last cluster may be packed.</summary>
    /// <param name="disk">The disk, whole clusters, 512 MiB at most.</param>
    /// <param name="packed">What stands in place of the last cluster, packed by zstd; null for the cluster.</param>
    public static byte[] Make(byte[] disk, byte[]? packed = null)
    {
        int clusters = disk.Length / Cluster;
        byte[] image = new byte[TableOffset + Cluster + disk.Length];
        byte[] header = Header(ClusterBits, disk.Length, 1, DirectoryOffset);
        if (packed is not null)
        {
            header[79] = 8;
            header[104] = 1;
        }
        header.CopyTo(image, 0);
        BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(DirectoryOffset), TableOffset);
        for (int i = 0; i < clusters; i++)
        {
            long at = TableOffset + (i + 1L) * Cluster;
            BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(TableOffset + i * 8), at);
            disk.AsSpan(i * Cluster, Cluster).CopyTo(image.AsSpan((int)at));
        }
        if (packed is not null)
        {
            int at = TableOffset + clusters * Cluster;
            image.AsSpan(at).Clear();
            packed.CopyTo(image, at);
            long sectors = (packed.Length + 511) / 512 - 1;
            BinaryPrimitives.WriteInt64BigEndian(image.AsSpan(TableOffset + (clusters - 1) * 8),
                1L << 62 | sectors << (62 - (ClusterBits - 8)) | (uint)at);
        }
        return image;
    }

    /// <summary>The header of an image of version 3, which may claim anything.</summary>
    public static byte[] Header(int clusterBits, long sizeBytes, int directoryEntries, long directoryOffset)
    {
        byte[] header = new byte[112];
        BinaryPrimitives.WriteInt32BigEndian(header, 0x514649FB);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(4), 3);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(20), clusterBits);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(24), sizeBytes);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(36), directoryEntries);
        BinaryPrimitives.WriteInt64BigEndian(header.AsSpan(40), directoryOffset);
        BinaryPrimitives.WriteInt32BigEndian(header.AsSpan(100), 112);
        return header;
    }
}
