using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Repair;

/// <summary>Carries out one line of a plan.</summary>
/// <returns>False when it could not be done after all, which only the try can show: a lock that this session does not
/// know of, or bytes that changed since they were looked at.</returns>
internal delegate Task<bool> RepairDeed(RepairHands hands, CancellationToken cancellationToken);

/// <summary>One line of a plan: what was found, and what is done about it.</summary>
/// <param name="Finding">As a plan tells it; null for a deed that nobody needs to read of.</param>
/// <param name="Done">What the finding says when the deed is done.</param>
/// <param name="Deed">What is done; null when it stays as it is.</param>
internal sealed record RepairStep(RepairFinding? Finding, string? Done, RepairDeed? Deed)
{
    /// <summary>True when what is said of the deed is so even where a lock keeps the object that goes last.</summary>
    internal bool IsDoneBeforeDeletion { get; init; }
}

/// <summary>
/// What a repair of one appliance is going to do, line by line in the order in which it is done, and what that will
/// come to. -WhatIf returns its findings, a repair carries out exactly this.
/// Each line was planned as if those before it were done: what they delete was gone already for those that come after.
/// No line waits for how one before it comes out, but for one: see <see cref="RepairHands.Refused"/>.
/// </summary>
internal sealed class RepairPlan
{
    private readonly List<RepairStep> _steps = [];

    internal int WholePoints { get; set; }
    internal int LostPoints { get; set; }

    /// <summary>Lost points that are given up.</summary>
    internal int RemovedPoints { get; set; }

    internal long UnneededBytes { get; set; }

    /// <summary>What the objects hold that are deleted.</summary>
    internal long FreedBytes { get; set; }

    internal IEnumerable<RepairFinding> Findings => _steps.Where(s => s.Finding is not null).Select(s => s.Finding!);

    internal void Add(RepairFinding finding, RepairWords words, RepairDeed? deed = null,
        bool isDoneBeforeDeletion = false) =>
        _steps.Add(new RepairStep(finding with { Detail = words.Planned }, words.Done, deed)
        { IsDoneBeforeDeletion = isDoneBeforeDeletion });

    /// <summary>Adds what is done without a word.</summary>
    internal void Add(RepairDeed deed) => _steps.Add(new RepairStep(null, null, deed));

    /// <summary>Carries it out, line by line.</summary>
    /// <param name="hands">Who does it.</param>
    /// <param name="onFinding">Told of each finding as it came out, when it has: who is stopped in between knows what
    /// was done.</param>
    internal async Task ExecuteAsync(RepairHands hands, Action<RepairFinding> onFinding,
        CancellationToken cancellationToken)
    {
        // Planning may take hours: a machine may have slept meanwhile, and its lease be another's.
        if (_steps.Exists(s => s.Deed is not null))
            await hands.EnsureHeldAsync(cancellationToken).ConfigureAwait(false);
        foreach (RepairStep step in _steps)
        {
            hands.TakeLocked();
            bool done = step.Deed is null || await step.Deed(hands, cancellationToken).ConfigureAwait(false);
            if (step.Finding is not RepairFinding finding) continue;
            // Else the words of the plan stay: it would have been done.
            if (done || step.IsDoneBeforeDeletion) finding = finding with { Detail = step.Done };
            if (!done) finding = await RefusedAsync(finding, hands, cancellationToken).ConfigureAwait(false);
            onFinding(finding);
        }
    }

    private static async Task<RepairFinding> RefusedAsync(RepairFinding finding, RepairHands hands,
        CancellationToken cancellationToken)
    {
        if (hands.TakeLocked() is not string locked) return finding with { Action = RepairAction.Kept };
        DateTime? until = await hands.LockedUntilAsync(locked, cancellationToken).ConfigureAwait(false);
        return finding with { Action = RepairAction.Locked, LockedUntilUtc = until };
    }
}
