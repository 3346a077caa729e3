using System.Security.Cryptography;
using Natalia.Backup.Engine.Disks;

namespace Natalia.Backup.Hypervisors.HyperV.Tracking;

/// <summary>
/// A hash of a few bytes of a disk: its first and its last MiB and a sample between them, where databases and file
/// systems write all the time. When change tracking says that nothing changed at all, this tells whether to believe it.
/// </summary>
internal static class DiskProbe
{
    private const int MiB = 1 << 20, Piece = 64 * 1024, Pieces = 16;

    internal static async Task<string> ReadAsync(IDiskSource disk, CancellationToken cancellationToken)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        byte[] buffer = new byte[(int)Math.Min(MiB, disk.SizeBytes)];
        await AddAsync(0, buffer.Length).ConfigureAwait(false);
        await AddAsync(disk.SizeBytes - buffer.Length, buffer.Length).ConfigureAwait(false);
        for (int i = 1; i <= Pieces && disk.SizeBytes > 4 * MiB; i++)
            await AddAsync(disk.SizeBytes / (Pieces + 1) * i / Piece * Piece, Piece).ConfigureAwait(false);
        return BitConverter.ToString(hash.GetHashAndReset(), 0, 16).Replace("-", "").ToLowerInvariant();

        async Task AddAsync(long offset, int length)
        {
            await disk.ReadAsync(offset, buffer.AsMemory(0, length), cancellationToken).ConfigureAwait(false);
            hash.AppendData(buffer, 0, length);
        }
    }
}
