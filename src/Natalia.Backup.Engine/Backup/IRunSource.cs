using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;
using Natalia.Backup.Engine.Runs;

namespace Natalia.Backup.Engine.Backup;

/// <summary>What kind of run it is: where its disks come from, and what the point says of itself.</summary>
internal interface IRunSource
{
    /// <summary>What the lease is taken for.</summary>
    string Purpose { get; }

    /// <summary>What is done, for a person who watches: a verb.</summary>
    string Activity { get; }

    /// <summary>Whose history goes on.</summary>
    ApplianceDescription Appliance { get; }

    /// <summary>The disks, at least one.</summary>
    IReadOnlyList<IRunDisk> Disks { get; }

    /// <summary>The VM's configuration, as it is stored with the point; null when there is none.</summary>
    byte[]? Configuration { get; }

    /// <summary>The VM's attachments.</summary>
    IReadOnlyList<RunAttachment> Attachments { get; }

    /// <summary>The point that the run would make, where it is there already; else null.</summary>
    Task<PointManifest?> FindMadeAsync(History history, CancellationToken cancellationToken);

    /// <summary>Whether <see cref="SealAsync"/> was called: then nothing can be read any more.</summary>
    bool IsSealed { get; }

    /// <summary>
    /// Called when everything was read and is durable, and before the point is visible. When it throws, none is made.
    /// </summary>
    Task SealAsync(CancellationToken cancellationToken);

    /// <summary>What the log must know of the point before it is there, or null.</summary>
    AuditEntry? EntryBefore(Run run);

    /// <summary>
    /// What the point says of the state: the manifest as the run made it, with all that only its source knows.
    /// </summary>
    /// <param name="made">The manifest so far.</param>
    /// <param name="reasons">Why more was read than hoped for.</param>
    PointManifest Describe(PointManifest made, IReadOnlyList<string> reasons);
}
