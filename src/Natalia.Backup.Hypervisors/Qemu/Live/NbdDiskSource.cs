using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Qemu.Protocol;

namespace Natalia.Backup.Hypervisors.Qemu.Live;

/// <summary>A frozen disk that QEMU serves. Each reading thread has a connection of its own.</summary>
/// <param name="disk">The disk.</param>
/// <param name="socket">The server's socket.</param>
/// <param name="export">The name of its export.</param>
/// <param name="token">The token of this state.</param>
/// <param name="changes">The bitmap with the changes since the known token; null when there is none.</param>
/// <param name="knownToken">The token that the changes are counted from.</param>
internal sealed class NbdDiskSource(LiveDisk disk, string socket, string export, string token, string? changes,
    string? knownToken) : IChangeTrackingSource
{
    /// <summary>How much is asked for at once; a multiple of every block size.</summary>
    private const uint StatusBytes = 1u << 30;

    /// <summary>With more of them, what follows is read whole: that costs less than to keep them.</summary>
    private const int MostExtents = 1 << 20;

    private const uint Zero = 2, Dirty = 1;
    private const int MostConnections = 8;

    private readonly ConcurrentBag<NbdClient> _idle = [];
    private volatile bool _isDisposed;

    public long SizeBytes => disk.SizeBytes;

    public bool IsTracked => true;

    public string? TrackingToken => token;

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (Extent extent in FindAsync(NbdClient.Allocation, f => (f & Zero) == 0, cancellationToken)
            .ConfigureAwait(false))
            yield return extent;
    }

    public async Task<ChangedExtents> GetChangedExtentsAsync(string sinceToken, CancellationToken cancellationToken)
    {
        if (TrackingTokens.Refuse(disk, sinceToken, out _) is string reason) return new ChangedExtents(null, reason);
        if (changes is null || sinceToken != knownToken)
            return new ChangedExtents(null, "The run was not begun for this token, so its changes were not kept.");
        var found = new List<Extent>();
        await foreach (Extent extent in FindAsync(Context(changes), f => (f & Dirty) != 0, cancellationToken)
            .ConfigureAwait(false))
        {
            found.Add(extent);
            if (found.Count < MostExtents) continue;
            found[found.Count - 1] = new Extent(extent.Offset, SizeBytes - extent.Offset);
            break;
        }
        return new ChangedExtents(found);
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        await UseAsync(async client =>
        {
            await client.ReadAsync(offset, buffer, cancellationToken).ConfigureAwait(false);
            return true;
        }, cancellationToken).ConfigureAwait(false);
    }

    public void Dispose()
    {
        _isDisposed = true;
        while (_idle.TryTake(out NbdClient? client)) client.Dispose();
    }

    private static string Context(string bitmap) => "qemu:dirty-bitmap:" + bitmap;

    /// <summary>The extents of a context whose flags are wanted, joined where they touch.</summary>
    private async IAsyncEnumerable<Extent> FindAsync(string context, Func<uint, bool> isWanted,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        long at = 0, start = -1;
        while (at < SizeBytes)
        {
            long from = at;
            uint length = (uint)Math.Min(StatusBytes, SizeBytes - from);
            IReadOnlyList<(long Length, uint Flags)> list = await UseAsync(
                client => client.GetStatusAsync(context, from, length, cancellationToken), cancellationToken)
                .ConfigureAwait(false);
            foreach ((long known, uint flags) in list)
            {
                if (isWanted(flags))
                {
                    if (start < 0) start = at;
                }
                else if (start >= 0)
                {
                    yield return new Extent(start, at - start);
                    start = -1;
                }
                at += known;
            }
        }
        if (start >= 0) yield return new Extent(start, SizeBytes - start);
    }

    private async Task<T> UseAsync<T>(Func<NbdClient, Task<T>> deed, CancellationToken cancellationToken)
    {
        if (!_idle.TryTake(out NbdClient? client))
        {
            string[] contexts = changes is null ? [NbdClient.Allocation] : [NbdClient.Allocation, Context(changes)];
            client = await NbdClient.ConnectAsync(socket, export, contexts, cancellationToken).ConfigureAwait(false);
            if (client.SizeBytes != SizeBytes)
            {
                client.Dispose();
                throw NbdClient.Failed(export, $"the server has {client.SizeBytes} bytes of it instead of {SizeBytes}");
            }
        }
        try
        {
            return await deed(client).ConfigureAwait(false);
        }
        finally
        {
            if (client.IsUsable && !_isDisposed && _idle.Count < MostConnections) _idle.Add(client);
            else client.Dispose();
        }
    }
}
