using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Repairs one appliance's part: plans what is to be done of all that is found, and carries exactly that out, or only
/// tells it.
/// Holds the lease while it plans and while it changes anything, so that no backup writes meanwhile; reading every byte
/// comes before that.
/// May die at any moment: what it has done by then is right by itself, and the next one goes on.
/// </summary>
internal sealed class ApplianceRepair(
    RepositoryCore core, RereadStore store, string applianceId, string? applianceName, RepairOptions options,
        bool isLogBroken, IProgress<OperationProgress>? progress)
{
    private readonly List<RepairFinding> _findings = [];
    private Dictionary<string, string> _rotten = new(StringComparer.Ordinal);

    /// <summary>Everything that was found; of a repair that was stopped what it came to.</summary>
    internal IReadOnlyList<RepairFinding> Findings => _findings;

    internal int WholePoints { get; private set; }
    internal int LostPoints { get; private set; }
    internal int RemovedPoints { get; private set; }
    internal long UnneededBytes { get; private set; }
    internal long FreedBytes { get; private set; }

    internal async Task ExecuteAsync(CancellationToken cancellationToken)
    {
        if (options.Full) await ScrubAsync(cancellationToken).ConfigureAwait(false);
        RepairView view = Look();
        if (options.WhatIf)
        {
            await TellAsync(view, cancellationToken).ConfigureAwait(false);
            return;
        }
        // Who gives points up is told of no protection that comes while it looks, so none is granted.
        Lease lease = await core.AcquireLeaseAsync(applianceId,
            options.RemoveLost ? LeasePurposes.Removal : LeasePurposes.Repair, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            if (lease.WasTakenOver) _findings.Add(LeaseStale(view, RepairAction.Removed, RepairWords.LeaseTakenOver));
            RepairPlan plan = await RepairPlanner.MakeAsync(view, isLogBroken, mayBeWritten: false,
                cancellationToken).ConfigureAwait(false);
            Take(plan);
            var hands = new RepairHands(core, applianceId, lease, view.Deltas.Over(core));
            try
            {
                await plan.ExecuteAsync(hands, _findings.Add, cancellationToken).ConfigureAwait(false);
            }
            finally
            {
                (RemovedPoints, FreedBytes) = (hands.RemovedPoints, hands.FreedBytes);
            }
            await RecordAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private RepairView Look() => new(core, store, applianceId, applianceName, options, _rotten, progress);

    private async Task ScrubAsync(CancellationToken cancellationToken)
    {
        RepairView view = Look();
        await view.LoadPacksAsync(cancellationToken).ConfigureAwait(false);
        long total = view.Inventory.All.Sum(p => p.StoredBytes), done = 0;
        _rotten = await PackScrub.RunAsync(core, view.Inventory,
            bytes => progress?.Report(new OperationProgress($"Reading every byte of {view.Name}",
                Interlocked.Add(ref done, bytes), total)), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Without the lease: whether a run that left it open is at work or dead shows only when the lease is
    /// asked for.</summary>
    private async Task TellAsync(RepairView view, CancellationToken cancellationToken)
    {
        bool isOpen = await Lease.IsOpenAsync(core.Store, applianceId, cancellationToken).ConfigureAwait(false);
        if (isOpen) _findings.Add(LeaseStale(view, RepairAction.None, RepairWords.LeaseOpen));
        RepairPlan plan = await RepairPlanner.MakeAsync(view, isLogBroken, isOpen,
            cancellationToken).ConfigureAwait(false);
        Take(plan);
        (RemovedPoints, FreedBytes) = (plan.RemovedPoints, plan.FreedBytes);
        _findings.AddRange(plan.Findings);
    }

    private void Take(RepairPlan plan) =>
        (WholePoints, LostPoints, UnneededBytes) = (plan.WholePoints, plan.LostPoints, plan.UnneededBytes);

    private RepairFinding LeaseStale(RepairView view, RepairAction action, RepairWords words) =>
        view.Finding(RepairFindingKind.LeaseStale, action, Layout.Leases(applianceId)) with { Detail = words.Done };

    private Task RecordAsync(CancellationToken cancellationToken) =>
        core.ApplianceLog(applianceId).AppendAsync(new AuditEntry(AuditEvents.Repaired)
        {
            ApplianceId = applianceId,
            Reason = _findings.Count == 0 ? "A repair found nothing wrong."
            : $"A repair found {Plural.Count(WholePoints, "point")} "
                + $"{(options.Full ? "whole" : "not damaged, as far as can be seen without reading every byte,")} and "
                + $"{LostPoints} lost, and removed {RemovedPoints}.",
            WriteData = json =>
            {
                json.WriteBoolean("full", options.Full);
                json.WriteBoolean("removeLost", options.RemoveLost);
                json.WriteNumber("wholePoints", WholePoints);
                json.WriteNumber("lostPoints", LostPoints);
                json.WriteNumber("removedPoints", RemovedPoints);
                json.WriteNumber("freedBytes", FreedBytes);
                json.WriteStartObject("findings");
                foreach (IGrouping<RepairFindingKind, RepairFinding> kind in _findings.GroupBy(f => f.Kind)
                    .OrderBy(g => g.Key))
                    json.WriteNumber(kind.Key.ToString(), kind.Count());
                json.WriteEndObject();
            },
        }, core.SigningSeed, cancellationToken);
}
