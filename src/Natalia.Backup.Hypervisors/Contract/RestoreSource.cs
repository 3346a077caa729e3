using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// What a VM is made of. Either the hypervisor stores the point itself, or somebody else writes its disks.
/// </summary>
public abstract record RestoreSource
{
    private RestoreSource(RestorePoint point) => Point = point;

    /// <summary>The restore point.</summary>
    public RestorePoint Point { get; }

    /// <summary>Writes one disk of a point.</summary>
    /// <param name="diskId">Which one.</param>
    /// <param name="target">Where to; the writer begins and completes it, the caller disposes it.</param>
    /// <param name="progress">Told how far it is, or null.</param>
    public delegate Task DiskWriter(string diskId, IDiskTarget target, IProgress<OperationProgress>? progress,
        CancellationToken cancellationToken);

    /// <summary>A point in a storage of the hypervisor's own, which restores it itself.</summary>
    public sealed record NativePoint : RestoreSource
    {
        /// <summary>Names the point.</summary>
        /// <param name="point">The point.</param>
        public NativePoint(RestorePoint point) : base(point) { }
    }

    /// <summary>A point whose disks come from elsewhere, byte by byte.</summary>
    public sealed record PointImage : RestoreSource
    {
        /// <summary>Describes the point.</summary>
        /// <param name="point">The point.</param>
        /// <param name="appliance">The VM's configuration at the time of the point, with the disks that the point
        /// holds, and their sizes.</param>
        /// <param name="write">Writes one of them.</param>
        public PointImage(RestorePoint point, ApplianceDescription appliance, DiskWriter write)
            : base(point) => (Appliance, Write) = (appliance, write);

        /// <summary>
        /// The VM's configuration at the time of the point; its disks are those that the point holds, each with its
        /// size.
        /// </summary>
        public ApplianceDescription Appliance { get; }

        /// <summary>Writes one of the disks.</summary>
        public DiskWriter Write { get; }

        /// <summary>What the point holds of the VM that is no disk; empty when there is nothing.</summary>
        public IReadOnlyList<ApplianceAttachment> Attachments { get; init; } = [];

        /// <summary>Why what the point holds of that cannot be read, in a full sentence; null when it can.</summary>
        public string? AttachmentTrouble { get; init; }
    }
}
