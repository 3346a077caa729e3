using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Keys;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Verification;

namespace Natalia.Backup.Engine.Repair;

/// <summary>
/// Repairs a repository: what belongs to all, then one appliance after the other. What fails for one appliance leaves
/// the others alone.
/// </summary>
internal sealed class RepositoryRepair(RepositoryCore core, KeyRing keys, RepairOptions options,
    Action<string, NataliaException> onFailure, IProgress<OperationProgress>? progress)
{
    internal async Task<RepairReport> ExecuteAsync(IReadOnlyList<KnownAppliance> appliances,
        CancellationToken cancellationToken)
    {
        long started = core.Clock.GetTimestamp();
        var findings = new List<RepairFinding>();
        if (core.Settings.Cipher != Cipher.None)
            await CheckKeysAsync(findings, cancellationToken).ConfigureAwait(false);
        var logs = new RereadStore(core.Store);
        HashSet<string> broken = await CheckLogsAsync(logs, findings, cancellationToken).ConfigureAwait(false);
        int whole = 0, lost = 0, removed = 0;
        long unneeded = 0, freed = 0;
        foreach (KnownAppliance appliance in appliances)
        {
            var store = new RereadStore(core.Store, logs.Unreadable.Where(name =>
                name.StartsWith(Layout.Appliance(appliance.ApplianceId), StringComparison.Ordinal)));
            var repair = new ApplianceRepair(core.ThroughForRepair(store), store, appliance.ApplianceId,
                appliance.Name, options, broken.Contains(appliance.ApplianceId), progress);
            try
            {
                await repair.ExecuteAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (NataliaException failure) when (!cancellationToken.IsCancellationRequested)
            {
                findings.Add(new RepairFinding
                {
                    Kind = RepairFindingKind.NotExamined,
                    ApplianceId = appliance.ApplianceId,
                    ApplianceName = appliance.Name,
                    Detail = $"The part of the appliance {appliance.Name ?? appliance.ApplianceId} was not, or not "
                        + $"wholly, repaired: {failure.Message}",
                });
                onFailure(appliance.Name ?? appliance.ApplianceId, failure);
            }
            findings.AddRange(repair.Findings);
            whole += repair.WholePoints;
            lost += repair.LostPoints;
            removed += repair.RemovedPoints;
            unneeded += repair.UnneededBytes;
            freed += repair.FreedBytes;
        }
        return new RepairReport
        {
            Repository = core.Options.Label,
            RepositoryId = core.RepositoryId,
            IsWhatIf = options.WhatIf,
            IsFull = options.Full,
            WholePoints = whole,
            LostPoints = lost,
            RemovedPoints = removed,
            UnneededBytes = unneeded,
            FreedBytes = freed,
            Duration = core.Clock.GetElapsedTime(started),
            Findings = [.. findings.OrderBy(f => f.Kind != RepairFindingKind.PointLost)
                .Select(f => f with { Repository = core.Options.Label, RepositoryId = core.RepositoryId })],
            Outcome = findings.Exists(f => f.Kind == RepairFindingKind.NotExamined)
                ? RepairOutcome.NotExamined
                : lost > 0
                    ? RepairOutcome.PointsLost
                    : findings.Count > 0 ? RepairOutcome.Repaired : RepairOutcome.Whole,
        };
    }

    private async Task CheckKeysAsync(List<RepairFinding> findings, CancellationToken cancellationToken)
    {
        foreach (RepositoryKey key in await keys.ListAsync(cancellationToken).ConfigureAwait(false))
        {
            if (key.IsWhole) continue;
            findings.Add(new RepairFinding
            {
                Kind = RepairFindingKind.KeySlotDamaged,
                Object = Layout.Keys + key.KeyId,
                Detail = $"The key slot {key.KeyId} cannot be used: {key.Damage} Its password opens nothing any more; "
                    + "the other ones do. Put the object back from a copy, or remove the slot with "
                    + "Remove-NataliaRepositoryKey and add the password again.",
            });
        }
    }

    /// <returns>The appliances whose log is not what was written.</returns>
    private async Task<HashSet<string>> CheckLogsAsync(RereadStore store, List<RepairFinding> findings,
        CancellationToken cancellationToken)
    {
        var broken = new HashSet<string>(StringComparer.Ordinal);
        foreach (CheckResult result in await AuditVerification.ExecuteForRepairAsync(store,
            cancellationToken).ConfigureAwait(false))
        {
            if (result.Result != CheckOutcome.Failed) continue;
            if (result.ApplianceId is string appliance) broken.Add(appliance);
            findings.Add(new RepairFinding
            {
                Kind = RepairFindingKind.AuditLogBroken,
                Object = result.Target,
                ApplianceId = result.ApplianceId,
                Detail = $"{result.Detail} What is lost of the log cannot be made again. Where a record is missing, "
                    + (options.RemoveLost
                        ? "a run without a manifest may be a lost point: -RemoveLost gives it up, unless it is "
                            + "protected, or anything cannot be read."
                        : "runs without a manifest are kept: each may be a lost point."),
            });
        }
        return broken;
    }
}
