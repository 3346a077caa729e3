using System.Management.Automation;
using Natalia.Backup.Commands;
using Natalia.Backup.Operations.Mounts;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Serving.Network;
using Natalia.Backup.Serving.Overlays;

namespace Natalia.Backup.Cmdlets.Tests.Mounts;

/// <summary>
/// Adds a mount like the first one whose kept overlay cannot be made durable when it ends: its file is closed already.
/// </summary>
[Cmdlet(VerbsCommon.Add, "LostMount")]
public sealed class AddLostMountCommand : NataliaCommand
{
    [Parameter(Mandatory = true, Position = 0)]
    public string OverlayPath { get; set; } = "";

    private protected override Task ProcessAsync(CancellationToken cancellationToken)
    {
        PointMount like = Registry.Mounts.All[0].Describe();
        var overlay = OverlayDisk.Open(new Zeros(like.SizeBytes), new OverlayIdentity(like.RepositoryId,
            like.RestorePointId, like.DiskId, like.SizeBytes), OverlayPath, 1L << 30, keep: true);
        overlay.Dispose();
        var counted = new CountedDisk(overlay);
        Registry.Mounts.Add(new Mount(like with
        {
            MountId = Guid.NewGuid().ToString("N"),
            OverlayPath = OverlayPath,
        }, new NbdServer(new ListenOptions(), [new NbdExport("lost", "lost", counted)]), counted, overlay, null));
        return Task.CompletedTask;
    }

    private sealed class Zeros(long size) : IServedDisk
    {
        public long SizeBytes => size;

        public bool IsReadOnly => true;

        public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
        {
            buffer.Span.Clear();
            return default;
        }

        public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> bytes, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask WriteZeroesAsync(long offset, long length, CancellationToken cancellationToken) =>
            throw new NotSupportedException();

        public ValueTask FlushAsync(CancellationToken cancellationToken) => default;

        public ValueTask<DiskExtent> GetExtentAsync(long offset, long limit, CancellationToken cancellationToken) =>
            new(new DiskExtent(Math.Min(limit, size - offset), true));

        public void Dispose()
        {
        }
    }
}
