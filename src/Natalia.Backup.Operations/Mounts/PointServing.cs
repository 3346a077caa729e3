using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;

namespace Natalia.Backup.Operations.Mounts;

/// <summary>
/// Serves disks of a point to a VM of this machine that runs from them, at one socket of the file system. Each can be
/// written over an overlay, which lies beside the socket without a name and is gone with this, also when the process is
/// killed. Used once.
/// </summary>
/// <param name="openAsync">Opens the point.</param>
/// <param name="overlayLimit">How large an overlay may become, in bytes; null for as large as its disk.</param>
/// <param name="clock">The clock.</param>
/// <param name="warn">Takes what a person should know.</param>
internal sealed class PointServing(Func<CancellationToken, Task<OpenPoint>> openAsync, long? overlayLimit,
    TimeProvider clock, Action<string> warn) : IAsyncDisposable
{
    /// <summary>More than an overlay takes besides what is written.</summary>
    private const long OverlaySlack = 1L << 30;

    private readonly List<IServedDisk> _disks = [];
    private ReaderMark? _mark;
    private NbdServer? _server;

    /// <summary>
    /// Told, by several threads at once, why a disk could not be read or written: the VM gets a number at most, and
    /// tells nobody.
    /// </summary>
    internal Action<NataliaException>? OnTrouble { get; set; }

    /// <summary>Begins to serve.</summary>
    /// <param name="diskIds">The disks; each export has the name of its own.</param>
    /// <param name="socket">The socket, in a folder that this user alone can reach.</param>
    /// <exception cref="NataliaException"><c>AddressNotAvailable</c>, what an overlay throws, a store
    /// error.</exception>
    internal async Task ServeAsync(IReadOnlyList<string> diskIds, string socket, CancellationToken cancellationToken)
    {
        OpenPoint opened = await openAsync(cancellationToken).ConfigureAwait(false);
        _mark = await PointDisks.TryMarkAsync(opened, "keep it until the VM needs it no more", warn,
            cancellationToken).ConfigureAwait(false);
        var exports = new List<NbdExport>();
        foreach (string diskId in diskIds)
        {
            PointDisk below = await PointDisks.OpenAsync(opened, diskId, cancellationToken).ConfigureAwait(false);
            var disk = OverlayDisk.Open(below, new OverlayIdentity(opened.Point.RepositoryId,
                    opened.Point.RestorePointId, diskId, below.SizeBytes),
                Path.Combine(Path.GetDirectoryName(socket)!, $"{Guid.NewGuid():N}.overlay"),
                overlayLimit ?? below.SizeBytes + OverlaySlack, keep: false);
            var watched = new WatchedDisk(disk, trouble => OnTrouble?.Invoke(trouble));
            _disks.Add(watched);
            exports.Add(new NbdExport(diskId, $"Disk {diskId} of {opened.Point}", watched));
        }
        _server = new NbdServer(new ListenOptions { SocketPath = socket, Clock = clock }, exports);
        _server.Start();
    }

    /// <summary>Ends it: the clients first, then the overlays, then the mark. Each part is bounded in time.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            _server?.Dispose();
            foreach (IServedDisk disk in _disks) disk.Dispose();
        }
        finally
        {
            if (_mark is not null) await _mark.DisposeAsync().ConfigureAwait(false);
        }
    }
}
