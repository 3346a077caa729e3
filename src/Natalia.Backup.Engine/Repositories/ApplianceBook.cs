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
    private const int LogsAtOnce = 8;

    private static readonly HashSet<string> s_members = new(StringComparer.Ordinal)
    {
        "name", "hypervisor", "dataDisk", "includeSystemDisk", "onQuiesceFailure", "neverQuiesce", "strategy",
        "restoreTest", "successor", "former",
    };

    internal async Task<IReadOnlyList<KnownAppliance>> GetAppliancesAsync(CancellationToken cancellationToken)
    {
        var appliances = new List<KnownAppliance>();
        foreach (string id in await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false))
            appliances.Add(new KnownAppliance(id,
                await FindNameAsync(core.ApplianceLog(id), cancellationToken).ConfigureAwait(false)));
        return appliances;
    }

    internal async Task<IReadOnlyList<ApplianceSettings>> GetSettingsAsync(CancellationToken cancellationToken) =>
        (await GetEnrolmentsAsync(null, cancellationToken).ConfigureAwait(false)).Enrolled;

    /// <summary>The newest word about each appliance, or about some of them.</summary>
    internal async Task<KnownEnrolments> GetEnrolmentsAsync(IReadOnlyCollection<string>? applianceIds,
        CancellationToken cancellationToken)
    {
        List<ApplianceSettings> enrolled = [], ended = [];
        IReadOnlyList<string> appliances = [.. applianceIds
            ?? await core.ListAppliancesAsync(cancellationToken).ConfigureAwait(false)];
        foreach ((ApplianceSettings Settings, AuditRecord Record)? word in await InParallel.SelectAsync(appliances,
            LogsAtOnce, async appliance =>
            {
                AuditLog log = core.ApplianceLog(appliance);
                return await FindWordAsync(appliance, log, await log.ListAsync(cancellationToken)
                    .ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
            }, cancellationToken).ConfigureAwait(false))
            if (word is (ApplianceSettings settings, AuditRecord record))
                (record.Event == AuditEvents.EnrolmentEnded ? ended : enrolled).Add(settings);
        // A VM that took another one's place is no appliance of its own any more, also where a crash kept the end of
        // its enrolment from being written.
        HashSet<string> successors = [.. enrolled.Select(s => s.SuccessorId).OfType<string>()];
        enrolled.RemoveAll(s => s.SuccessorId is null && successors.Contains(s.ApplianceId));
        return new KnownEnrolments(enrolled, ended);
    }

    /// <summary>The settings of one appliance; null when it is not enrolled.</summary>
    internal async Task<ApplianceSettings?> FindSettingsAsync(string applianceId, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        return (await FindSettingsAsync(applianceId, log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false))?.Settings;
    }

    /// <summary>When the enrolment of an appliance ended, UTC; null when it is enrolled, or never was.</summary>
    internal async Task<DateTime?> FindEndAsync(string applianceId, CancellationToken cancellationToken)
    {
        AuditLog log = core.ApplianceLog(applianceId);
        return await FindWordAsync(applianceId, log, await log.ListAsync(cancellationToken).ConfigureAwait(false),
            cancellationToken).ConfigureAwait(false) is (_, AuditRecord record)
            && record.Event == AuditEvents.EnrolmentEnded
            ? record.TimeUtc
            : null;
    }

    /// <summary>
    /// The settings of an appliance whose log was listed, and their record; null when it is not enrolled.
    /// </summary>
    internal static async Task<(ApplianceSettings Settings, AuditRecord Record)?> FindSettingsAsync(string applianceId,
        AuditLog log, List<AuditName> names, CancellationToken cancellationToken) =>
        await FindWordAsync(applianceId, log, names, cancellationToken).ConfigureAwait(false)
            is (ApplianceSettings settings, AuditRecord record) && record.Event == AuditEvents.ApplianceSet
            ? (settings, record)
            : null;

    /// <summary>
    /// The newest word about an appliance's enrolment: its settings, or those of them that the end of its enrolment
    /// keeps; null when it was never enrolled.
    /// </summary>
    internal static async Task<(ApplianceSettings Settings, AuditRecord Record)?> FindWordAsync(string applianceId,
        AuditLog log, List<AuditName> names, CancellationToken cancellationToken)
    {
        foreach (AuditName name in Enumerable.Reverse(names))
        {
            if (name.Event is not (AuditEvents.ApplianceSet or AuditEvents.EnrolmentEnded)) continue;
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
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
                WriteVMs(json, settings);
                JsonMembers.Write(json, settings.UnknownMembers);
            },
        }, settings.ApplianceId, cancellationToken);

    /// <exception cref="NataliaException"><c>LeaseHeld</c>, <c>PasswordRequired</c>.</exception>
    internal Task EndAsync(ApplianceSettings settings, string? reason, CancellationToken cancellationToken) =>
        AppendAsync(new AuditEntry(AuditEvents.EnrolmentEnded)
        {
            ApplianceId = settings.ApplianceId,
            Reason = reason,
            WriteData = json =>
            {
                json.WriteString("name", settings.Name);
                // Whose VM it was stays known: enrolled again, it goes on with its history.
                WriteVMs(json, settings);
            },
        }, settings.ApplianceId, cancellationToken);

    private static void WriteVMs(Utf8JsonWriter json, ApplianceSettings settings)
    {
        if (settings.SuccessorId is not null) json.WriteString("successor", settings.SuccessorId);
        if (settings.FormerIds.Count == 0) return;
        json.WriteStartArray("former");
        foreach (string id in settings.FormerIds) json.WriteStringValue(id);
        json.WriteEndArray();
    }

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

    private static string[] ReadFormer(JsonElement root) =>
        [.. root.ReadArray("former").Select(f => f.ReadText()).Where(ApplianceIdentity.IsValid)];

    private static ApplianceSettings Decode(string appliance, string data)
    {
        using JsonDocument document = JsonDocument.Parse(data);
        JsonElement root = document.RootElement;
        string? successor = root.ReadStringOrNull("successor") is string id && ApplianceIdentity.IsValid(id)
            ? id
            : null;
        return new ApplianceSettings
        {
            ApplianceId = appliance,
            Name = root.ReadString("name"),
            // The end of an enrolment does not tell it.
            HypervisorKind = root.ReadStringOrNull("hypervisor") ?? "",
            DataDiskId = root.ReadStringOrNull("dataDisk"),
            IncludeSystemDisk = root.ReadBool("includeSystemDisk"),
            OnQuiesceFailure = root.ReadStringOrNull("onQuiesceFailure") == "fail" ? QuiesceFailure.Fail : default,
            Strategy = root.ReadEnumOrNull<BackupStrategy>("strategy"),
            NeverQuiesce = root.ReadBool("neverQuiesce"),
            RestoreTest = RestoreTestSettingsJson.ReadOrNull(root, "restoreTest"),
            SuccessorId = successor,
            FormerIds = ReadFormer(root) is { Length: > 0 } former ? former
                : successor is null ? Array.Empty<string>() : new[] { appliance },
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
