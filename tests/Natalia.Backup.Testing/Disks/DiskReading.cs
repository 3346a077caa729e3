using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Testing.Disks;

/// <summary>Reads whole disks, for comparing them.</summary>
public static class DiskReading
{
    public static bool Matches(this byte[] one, byte[] other) => one.AsSpan().SequenceEqual(other);

    public static async Task<byte[]> ReadAllAsync(this IDiskSource disk, int step = 300_001)
    {
        var bytes = new byte[disk.SizeBytes];
        for (int at = 0; at < bytes.Length; at += step)
            await disk.ReadAsync(at, bytes.AsMemory(at, Math.Min(step, bytes.Length - at)), CancellationToken.None);
        return bytes;
    }

    public static async Task<IReadOnlyList<Extent>> AllocatedAsync(this IDiskSource disk)
    {
        var extents = new List<Extent>();
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(CancellationToken.None)) extents.Add(extent);
        return extents;
    }

    /// <summary>What a disk reads like by its extents alone: what lies outside them must be zeros.</summary>
    public static async Task<byte[]> ReadAllocatedAsync(this IDiskSource disk)
    {
        var bytes = new byte[disk.SizeBytes];
        foreach (Extent extent in await disk.AllocatedAsync())
            await disk.ReadAsync(extent.Offset, bytes.AsMemory((int)extent.Offset, (int)extent.Length),
                CancellationToken.None);
        return bytes;
    }

    /// <summary>Copies a disk into a target, ascending, in pieces of an odd length; holes are left out.</summary>
    public static async Task CopyToAsync(this IDiskSource disk, IDiskTarget target, int step = 1 << 20)
    {
        await target.BeginAsync(disk.SizeBytes, CancellationToken.None);
        foreach (Extent extent in await disk.AllocatedAsync())
        {
            for (long at = extent.Offset; at < extent.End; at += step)
            {
                var bytes = new byte[(int)Math.Min(step, extent.End - at)];
                await disk.ReadAsync(at, bytes, CancellationToken.None);
                await target.WriteAsync(at, bytes, CancellationToken.None);
            }
        }
        await target.CompleteAsync(CancellationToken.None);
    }
}
