using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Leases;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Points;

namespace Natalia.Backup.Engine.Repositories;

/// <summary>
/// What a repository's logs know of appliances: their names, and the settings of those that are enrolled.
/// </summary>
internal sealed class ApplianceBook(RepositoryCore core)
{
    private static readonly HashSet<string> s_members = new(StringComparer.Ordinal)
    {
        "name", "hypervisor", "dataDisk", "includeSystemDisk", "onQuiesceFailure", "neverQuiesce", "strategy",
        "restoreTest", "successor",
    };

    internal async Task<IReadOnlyList<KnownAppliance>> GetAppliancesAsync(CancellationToken cancellationToken)
    {
        var appliances = new List<KnownAppliance>();
        foreach (string id in await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
            appliances.Add(new KnownAppliance(id,
                await FindNameAsync(core.ApplianceLog(id), cancellationToken).ConfigureAwait(false)));
        return appliances;
    }

    internal async Task<IReadOnlyList<ApplianceSettings>> GetSettingsAsync(CancellationToken cancellationToken)
    {
        var all = new List<ApplianceSettings>();
        foreach (string appliance in await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            AuditLog log = core.ApplianceLog(appliance);
            if (await FindSettingsAsync(appliance, log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false) is (ApplianceSettings settings, _))
                all.Add(settings);
        }
        // A VM that took another one's place is no appliance of its own any more, also where a crash kept the end of
        // its enrolment from being written.
        HashSet<string> successors = [.. all.Select(s => s.SuccessorId).OfType<string>()];
        all.RemoveAll(s => s.SuccessorId is null && successors.Contains(s.ApplianceId));
        return all;
    }

    /// <summary>The settings of one appliance; null when it is not enrolled.</summary>
    internal async Task<ApplianceSettings?> FindSettingsAsync(string applianceId, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        return (await FindSettingsAsync(applianceId, log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false))?.Settings;
    }

    /// <summary>
    /// The settings of an appliance whose log was listed, and their record; null when it is not enrolled.
    /// </summary>
    internal static async Task<(ApplianceSettings Settings, AuditRecord Record)?> FindSettingsAsync(string applianceId,
        AuditLog log, List<AuditName> names, CancellationToken cancellationToken)
    {
        foreach (AuditName name in Enumerable.Reverse(names))
        {
            if (name.Event is not (AuditEvents.ApplianceSet or AuditEvents.EnrolmentEnded)) continue;
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                if (name.Event == AuditEvents.EnrolmentEnded) return null;
                return (Decode(applianceId, record.Data ?? "{}"), record);
            }
            catch (FormatException)
            {
                // Damaged or not signed: the setting before it counts, and the repository's check reports this one.
            }
        }
        return null;
    }

    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    internal Task SetSettingsAsync(ApplianceSettings settings, string? reason, CancellationToken cancellationToken) =>
        AppendAsync(new AuditEntry(AuditEvents.ApplianceSet)
        {
            ApplianceId = settings.ApplianceId,
            Reason = reason,
            WriteData = json =>
            {
                json.WriteString("name", settings.Name);
                json.WriteString("hypervisor", settings.HypervisorKind);
                if (settings.DataDiskId is not null) json.WriteString("dataDisk", settings.DataDiskId);
                json.WriteBoolean("includeSystemDisk", settings.IncludeSystemDisk);
                if (settings.OnQuiesceFailure == QuiesceFailure.Fail) json.WriteString("onQuiesceFailure", "fail");
                if (settings.Strategy is BackupStrategy strategy) json.WriteString("strategy", strategy.ToString());
                if (settings.NeverQuiesce) json.WriteBoolean("neverQuiesce", true);
                RestoreTestSettingsJson.Write(json, "restoreTest", settings.RestoreTest);
                if (settings.SuccessorId is not null) json.WriteString("successor", settings.SuccessorId);
                JsonMembers.Write(json, settings.UnknownMembers);
            },
        }, settings.ApplianceId, cancellationToken);

    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    internal Task EndAsync(string applianceId, string name, string? reason, CancellationToken cancellationToken) =>
        AppendAsync(new AuditEntry(AuditEvents.EnrolmentEnded)
        {
            ApplianceId = applianceId,
            Reason = reason,
            WriteData = json => json.WriteString("name", name),
        }, applianceId, cancellationToken);

    /// <summary>One record is one change: a crash leaves the state before it or the state after it.</summary>
    private async Task AppendAsync(AuditEntry entry, string applianceId, CancellationToken cancellationToken)
    {
        _ = core.SigningSeed;
        Lease lease = await core.AcquireLeaseAsync(applianceId, cancellationToken).ConfigureAwait(false);
        await using (lease.ConfigureAwait(false))
        {
            await core.ApplianceLog(applianceId).AppendAsync(entry, core.SigningSeed,
                cancellationToken).ConfigureAwait(false);
            await core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private static ApplianceSettings Decode(string appliance, string data)
    {
        using JsonDocument document = JsonDocument.Parse(data);
        JsonElement root = document.RootElement;
        return new ApplianceSettings
        {
            ApplianceId = appliance,
            Name = root.ReadString("name"),
            HypervisorKind = root.ReadString("hypervisor"),
            DataDiskId = root.ReadStringOrNull("dataDisk"),
            IncludeSystemDisk = root.ReadBool("includeSystemDisk"),
            OnQuiesceFailure = root.ReadStringOrNull("onQuiesceFailure") == "fail" ? QuiesceFailure.Fail : default,
            Strategy = root.ReadEnumOrNull<BackupStrategy>("strategy"),
            NeverQuiesce = root.ReadBool("neverQuiesce"),
            RestoreTest = RestoreTestSettingsJson.ReadOrNull(root, "restoreTest"),
            SuccessorId = root.ReadStringOrNull("successor") is string id && ApplianceIdentity.IsValid(id) ? id : null,
            UnknownMembers = JsonMembers.Unknown(root, s_members),
        };
    }

    /// <summary>
    /// The name under which the appliance is enrolled, else the one that its newest point was made with, else the one
    /// that evidence of another repository has for it.
    /// </summary>
    private static async Task<string?> FindNameAsync(AuditLog log, CancellationToken cancellationToken) =>
        await FindNameAsync(log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false);

    /// <summary>As above, of a log that was listed already.</summary>
    internal static async Task<string?> FindNameAsync(AuditLog log, List<AuditName> ascending,
        CancellationToken cancellationToken)
    {
        List<AuditName> names = [.. Enumerable.Reverse(ascending)];
        IEnumerable<AuditName> telling = names.Where(n => n.Event == AuditEvents.ApplianceSet)
            .Concat(names.Where(n => n.Event == AuditEvents.PointMade))
            .Concat(names.Where(n => NativeRecords.IsOne(n.Event)));
        foreach (AuditName name in telling)
        {
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                using JsonDocument data = JsonDocument.Parse(record.Data ?? "{}");
                if (data.RootElement.ReadStringOrNull("name") is string found) return found;
            }
            catch (FormatException)
            {
                // Damaged or not signed: it has no effect, and the checks of repository and log report it.
            }
        }
        return null;
    }
}
