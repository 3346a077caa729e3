using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>
/// Disks frozen at one time. Read, then sealed, then published. Disposing says that it is over: without
/// <see cref="PublishedAsync"/> and
/// <see cref="UnclearAsync"/> nothing was made of it, and everything that the freeze made is let go of.
/// </summary>
/// <remarks>
/// Disposing takes no token and bounds itself: it goes on after Ctrl-C, and gives a dead host up after ten minutes at
/// the latest. It throws what could not be let go of; that is then found as a leftover.
/// </remarks>
public interface IFrozenDisks : IAsyncDisposable
{
    /// <summary>The time of the state, UTC.</summary>
    DateTime TimeUtc { get; }

    /// <summary>What was reached.</summary>
    Consistency Consistency { get; }

    /// <summary>Why it is less than asked for, in a full sentence; null when there is nothing to say.</summary>
    string? ConsistencyReason { get; }

    /// <summary>
    /// What the user should know of the disks although they can be backed up, in full sentences; they become warnings
    /// of the run.
    /// </summary>
    IReadOnlyList<string> Warnings { get; }

    /// <summary>A disk by its id.</summary>
    /// <param name="diskId">One of those asked for.</param>
    /// <exception cref="NataliaException"><c>DiskNotFound</c>.</exception>
    IDiskSource GetDisk(string diskId);

    /// <summary>
    /// Says that everything was read and is durable in the repository, and that its point is about to be made
    /// visible. Gives the token by
    /// which the next incremental will count from this state, by disk; none for a disk that is not tracked. Nothing
    /// is read afterwards.
    /// What the point before this one needs stays.
    /// </summary>
    /// <exception cref="NataliaException"><c>DiskChangedWhileRead</c> when the state was not frozen after all (a cold
    /// image that somebody wrote meanwhile); no point is made then.</exception>
    Task<IReadOnlyDictionary<string, string>> SealAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Says that the point is there, and lets go of what only the one before needed. Whatever comes of this call:
    /// from its beginning on,
    /// nothing that the new point needs may be let go of; what of the old cannot be removed, or was not for a
    /// cancelled token, is a leftover.
    /// </summary>
    Task PublishedAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Says that nobody can tell whether the point is there: the store's answer was lost. What either outcome needs
    /// stays, the state before
    /// and this one; everything else goes with disposing. The next backup knows from the repository which of the two
    /// is left over.
    /// </summary>
    Task UnclearAsync(CancellationToken cancellationToken);
}
