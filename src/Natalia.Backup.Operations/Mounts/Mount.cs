using Natalia.Backup.Engine.Points;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>A disk that is being served, with all that this takes. Belongs to the runspace that mounted it.</summary>
internal sealed class Mount(PointMount description, DiskServer server, CountedDisk disk, OverlayDisk? overlay,
    ReaderMark? mark) : IDisposable
{
    private int _disposed;

    internal string MountId => description.MountId;

    /// <summary>The repository's session, without which it cannot go on.</summary>
    internal string Repository => description.Repository;

    /// <summary>As it is now.</summary>
    internal PointMount Describe() => description with
    {
        BytesRead = disk.BytesRead,
        BytesWritten = disk.BytesWritten,
        Connections = server.Connections,
        OverlayBytes = overlay?.OverlayBytes,
        IsMarked = mark is { IsHeld: true },
    };

    /// <summary>That a kept overlay could not be made durable when the mount ended; null when nothing was lost.
    /// </summary>
    internal string? Loss => overlay is { HasLost: true }
        ? $"The overlay '{description.OverlayPath}' could not be made durable: what was written to it last may be "
            + "missing."
        : null;

    /// <summary>
    /// Ends the service: the clients first, then the overlay, then the mark in the repository. Each part is bounded in
    /// time.
    /// </summary>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0) return;
        try
        {
            server.Dispose();
            disk.Dispose();
        }
        finally
        {
            // Not on a thread whose context may wait for this one.
            if (mark is not null) Task.Run(() => mark.DisposeAsync().AsTask()).Wait(TimeSpan.FromSeconds(15));
        }
    }
}
