using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Copy;

/// <summary>The point of another repository that a run makes a copy of.</summary>
/// <param name="Source">Its manifest there.</param>
/// <param name="CopiedFrom">The repository that it is read from, and its id there.</param>
/// <param name="Configuration">The VM configuration kept with it, as it was stored; null when there is none.</param>
/// <param name="Attachments">Its attachments.</param>
/// <param name="IsProtected">Whether it is protected there.</param>
internal sealed record CopiedPoint(PointManifest Source, PointOrigin CopiedFrom, byte[]? Configuration,
    IReadOnlyList<RunAttachment> Attachments, bool IsProtected)
{
    /// <summary>Where it was first made.</summary>
    internal PointOrigin Origin => Source.CopyOf ?? CopiedFrom;

    /// <summary>
    /// A copy says of the state what the original says: when it was frozen, how it was read, how consistent it is. Its
    /// own are the places of its blocks and what it added here. Tracking tokens stay behind: whether a hypervisor still
    /// counts changes from that state is between it and the repository that asked it to.
    /// </summary>
    internal PointManifest Describe(PointManifest made) => made with
    {
        TimeUtc = Source.TimeUtc,
        ApplianceName = Source.ApplianceName,
        HypervisorKind = Source.HypervisorKind,
        Type = Source.Type,
        RequestedType = Source.RequestedType,
        Reason = Source.Reason,
        Consistency = Source.Consistency,
        ReadMethod = Source.ReadMethod,
        ReadBytes = Source.ReadBytes,
        Duration = Source.Duration,
        CdrBaseline = Source.CdrBaseline,
        CopyOf = Origin,
        CopiedFrom = CopiedFrom,
    };
}
