using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Retention;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>The retention policies that a repository's logs hold.</summary>
internal sealed class PolicyBook(RepositoryCore core)
{
    internal async Task<IReadOnlyList<StoredRetentionPolicy>> GetAllAsync(CancellationToken cancellationToken)
    {
        var policies = new List<StoredRetentionPolicy>();
        if (await ReadAsync(null, cancellationToken).ConfigureAwait(false) is StoredRetentionPolicy standard)
            policies.Add(standard);
        foreach (string appliance in await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (await ReadAsync(appliance, cancellationToken).ConfigureAwait(false) is StoredRetentionPolicy own)
                policies.Add(own);
        }
        return policies;
    }

    /// <summary>The repository's policy for appliances that have none of their own; null without one.</summary>
    internal Task<StoredRetentionPolicy?> GetDefaultAsync(CancellationToken cancellationToken) =>
        ReadAsync(null, cancellationToken);

    /// <summary>What holds for an appliance: its own policy, else the repository's; null without any.</summary>
    internal async Task<StoredRetentionPolicy?> FindAsync(string applianceId, CancellationToken cancellationToken) =>
        await ReadAsync(applianceId, cancellationToken).ConfigureAwait(false)
        ?? await ReadAsync(null, cancellationToken).ConfigureAwait(false);

    /// <exception cref="NataliaException">
    /// <c>RetentionPolicyKeepsNothing</c>, <c>TimeZoneNotFound</c>, <c>ImmutabilityWithoutRetention</c>,
    /// <c>RetentionPolicyDamaged</c>, <c>PasswordRequired</c>.
    /// </exception>
    internal async Task SetAsync(string? applianceId, string? applianceName, RetentionPolicy? policy,
        CancellationToken cancellationToken)
    {
        _ = core.SigningSeed;
        if (policy?.KeepsEverything == true)
        {
            throw new NataliaException(ErrorIds.RetentionPolicyKeepsNothing, NataliaErrorKind.InvalidArgument,
                "A retention policy whose every rule is off names nothing to keep, and is refused.", applianceId,
                "Give at least one rule 1 or more. To keep everything, set no policy.");
        }
        if (policy is not null) TimeZones.Find(policy.TimeZoneId);
        // Needs no lease: setting a policy must not wait for a backup that runs for hours, and the later record counts.
        if (policy is null) await RequirePolicyForLocksAsync(applianceId, cancellationToken).ConfigureAwait(false);
        await LogOf(applianceId)
            .AppendAsync(Entry(applianceId, applianceName, policy), core.SigningSeed,
                cancellationToken).ConfigureAwait(false);
        await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        // Behind a name that nobody can read, a policy has no effect: that must not look like success.
        if ((await ReadAsync(applianceId, cancellationToken).ConfigureAwait(false))?.Damage is string damage)
        {
            string label = core.Options.Label;
            throw new NataliaException(ErrorIds.RetentionPolicyDamaged, NataliaErrorKind.InvalidData,
                $"The policy was written to the log of the repository '{label}', but has no effect: a later record of "
                + $"a policy cannot be read. {damage}",
                applianceId ?? label,
                "Look at that object with Test-NataliaAudit. When somebody put it there, delete it; when it is "
                + "damaged, put it back from a copy. Then set the policy again.");
        }
    }

    internal static AuditEntry Entry(string? applianceId, string? applianceName, RetentionPolicy? policy) =>
        new(AuditEvents.RetentionSet)
        {
            ApplianceId = applianceId,
            Reason = policy is null ? "The policy was taken away." : $"The policy is now {policy}.",
            WriteData = json =>
            {
                if (applianceName is not null) json.WriteString("name", applianceName);
                RetentionPolicyData.Write(json, policy);
            },
        };

    private AuditLog LogOf(string? applianceId) =>
        applianceId is null ? core.RepositoryLog : core.ApplianceLog(applianceId);

    /// <summary>Where locks follow the policy, the last policy that holds cannot be taken away.</summary>
    private async Task RequirePolicyForLocksAsync(string? applianceId, CancellationToken cancellationToken)
    {
        if (core.Immutability?.WhileKept != true) return;
        if (applianceId is not null
            && await ReadAsync(null, cancellationToken).ConfigureAwait(false) is { Damage: null })
            return;
        string label = core.Options.Label;
        throw new NataliaException(ErrorIds.ImmutabilityWithoutRetention, NataliaErrorKind.InvalidOperation,
            $"The points of the repository '{label}' stay locked as long as they are kept, {core.Immutability.Days} "
            + "days ahead: without a retention policy everything would be kept, and stay locked, for ever.",
            applianceId ?? label, "Set the policy that is wanted instead.");
    }

    private async Task<StoredRetentionPolicy?> ReadAsync(string? applianceId, CancellationToken cancellationToken)
    {
        AuditLog log = LogOf(applianceId);
        return await ReadAsync(applianceId, log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The policy that a log holds which was listed already; null without one.</summary>
    internal static async Task<StoredRetentionPolicy?> ReadAsync(string? applianceId, AuditLog log,
        List<AuditName> names, CancellationToken cancellationToken)
    {
        List<AuditName> all = names.FindAll(n => n.Event == AuditEvents.RetentionSet);
        string? trouble = null;
        // Of one number the genuine one counts: beside a name that nobody can read, a policy that was set since has the
        // same.
        foreach (AuditName newest in Enumerable.Reverse(all).TakeWhile(n => n.Number == all[all.Count - 1].Number))
        {
            try
            {
                AuditRecord record = await log.ReadAsync(newest, cancellationToken).ConfigureAwait(false);
                return RetentionPolicyData.Read(record.Data, out string? name) is RetentionPolicy policy
                    ? new StoredRetentionPolicy(applianceId, name, policy, record.TimeUtc)
                    : null;
            }
            catch (FormatException damage)
            {
                trouble ??= $"'{newest.ObjectName}': {damage.Message}";
            }
        }
        // An older policy may remove what this one kept: better none than that.
        return trouble is null
            ? null
            : new StoredRetentionPolicy(applianceId, null, new RetentionPolicy(), null, trouble);
    }
}
