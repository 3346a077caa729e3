using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Verification;

namespace Natalia.Backup.Engine.Repositories;

public sealed partial class Repository
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int RecordReadsAtOnce = 16;

    /// <summary>One small request: whether the store answers at all.</summary>
    public Task LookAsync(CancellationToken cancellationToken) =>
        _core.Store.StatAsync(Layout.Settings, cancellationToken);

    /// <summary>The audit records, newest first by their writers' clocks. Needs no password.</summary>
    /// <param name="filter">Which are wanted.</param>
    /// <param name="onDamage">Told of each record that is damaged or not signed by this repository's key; it is left
    /// out. Called by one thread at a time.</param>
    public async Task<IReadOnlyList<AuditRecord>> GetAuditRecordsAsync(AuditRecordFilter filter,
        Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        var records = new List<AuditRecord>();
        if (filter.ApplianceIds is null)
            await ReadLogAsync(_core.RepositoryLog, null, filter, records, onDamage,
                cancellationToken).ConfigureAwait(false);
        foreach (KnownAppliance appliance in await GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
        {
            if (filter.ApplianceIds is null || filter.ApplianceIds.Contains(appliance.ApplianceId))
                await ReadLogAsync(_core.ApplianceLog(appliance.ApplianceId), appliance.Name, filter, records, onDamage,
                    cancellationToken).ConfigureAwait(false);
        }
        return [.. records.OrderByDescending(r => r.TimeUtc).ThenByDescending(r => r.Number)
            .ThenBy(r => r.RecordHash, StringComparer.Ordinal)];
    }

    /// <summary>
    /// Verifies the audit logs. Needs no password. A session that was opened with one knows the key that must have
    /// signed.
    /// </summary>
    /// <param name="expectations">What was kept elsewhere.</param>
    /// <returns>One result for the key, one for each log, one for each expected head.</returns>
    /// <exception cref="NataliaException"><c>RepositoryDamaged</c>, a store error.</exception>
    public Task<IReadOnlyList<CheckResult>> VerifyAuditAsync(AuditExpectations expectations,
        CancellationToken cancellationToken) =>
        VerifyAuditAsync(expectations, null, cancellationToken);

    /// <inheritdoc cref="VerifyAuditAsync(AuditExpectations, CancellationToken)"/>
    /// <param name="progress">Told how many objects of the logs were read; or null.</param>
    public Task<IReadOnlyList<CheckResult>> VerifyAuditAsync(AuditExpectations expectations,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken)
    {
        bool isProven = IsEncrypted && IsUnlocked;
        return AuditVerification.ExecuteAsync(_core.Store, expectations with
        {
            Fingerprint = expectations.Fingerprint ?? (isProven ? AuditKeyFingerprint : null),
        }, progress, cancellationToken);
    }

    private async Task ReadLogAsync(AuditLog log, string? applianceName, AuditRecordFilter filter,
        List<AuditRecord> records, Action<NataliaException> onDamage, CancellationToken cancellationToken)
    {
        List<AuditName> names = await log.ListAllAsync(cancellationToken).ConfigureAwait(false);
        if (filter.Events is not null) names = names.FindAll(n => filter.Events.Contains(n.Event));
        if (filter.Newest is int newest && names.Count > newest) names.RemoveRange(0, names.Count - newest);
        await InParallel.RunAsync(names, RecordReadsAtOnce, async name =>
        {
            try
            {
                AuditRecord record = await log.ReadAsync(name, cancellationToken).ConfigureAwait(false);
                if (record.TimeUtc < filter.AfterUtc || record.TimeUtc > filter.BeforeUtc) return;
                AuditRecord described = record with
                {
                    ApplianceName = applianceName,
                    Repository = Label,
                    RepositoryId = RepositoryId,
                    NativeRepositoryId = NativeRecords.RepositoryOf(record),
                };
                lock (records) records.Add(described);
            }
            catch (FormatException damage)
            {
                lock (records)
                {
                    onDamage(new NataliaException(ErrorIds.AuditChainBroken, NataliaErrorKind.Security,
                        $"The audit record '{name.ObjectName}' in {Location} cannot be trusted, and is left out: "
                        + $"{damage.Message}",
                        name.ObjectName,
                        "Test-NataliaAudit tells what was done to the log.", damage));
                }
            }
        }, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Keeps evidence of what was done in a repository that has no log of its own. Possible while a backup of the
    /// appliance runs; it has no effect on what this repository holds.
    /// </summary>
    /// <param name="record">What was done.</param>
    /// <returns>The new record's hash.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>ApplianceNotFound</c> for an id that is none, a
    /// store error.</exception>
    public async Task<string> RecordNativeAsync(NativeRecord record, CancellationToken cancellationToken)
    {
        byte[] seed = _core.SigningSeed;
        string hash = await _core.ApplianceLog(record.ApplianceId)
            .AppendAsync(NativeRecords.Entry(record), seed, cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return hash;
    }

    /// <summary>
    /// Keeps a restore test of one of this repository's points. Possible while a backup of the appliance runs.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="result">How it ended, in a word or sentence.</param>
    /// <param name="test">All of it, as a JSON object. Never a secret.</param>
    /// <returns>The new record's hash.</returns>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async Task<string> RecordRestoreTestAsync(RestorePoint point, string result, string test,
        CancellationToken cancellationToken)
    {
        byte[] seed = _core.SigningSeed;
        using JsonDocument document = JsonText.Parse(test);
        string hash = await _core.ApplianceLog(point.ApplianceId).AppendAsync(
            new AuditEntry(AuditEvents.RestoreTested)
            {
                ApplianceId = point.ApplianceId,
                RestorePointId = point.RestorePointId,
                Sequence = point.Sequence ?? 0,
                Reason = result,
                WriteData = json =>
                {
                    foreach (JsonProperty member in document.RootElement.EnumerateObject()) member.WriteTo(json);
                },
            }, seed, cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
        return hash;
    }

    /// <summary>
    /// Records that one of this repository's points was restored. Possible while a backup of the appliance runs.
    /// </summary>
    /// <param name="point">The point.</param>
    /// <param name="details">What of it, and where to: names and their texts; those without a text are left out. Never
    /// a secret.</param>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, a store error.</exception>
    public async Task RecordRestoreAsync(RestorePoint point, IReadOnlyList<KeyValuePair<string, string?>> details,
        CancellationToken cancellationToken)
    {
        await _core.ApplianceLog(point.ApplianceId).AppendAsync(new AuditEntry(AuditEvents.PointRestored)
        {
            ApplianceId = point.ApplianceId,
            RestorePointId = point.RestorePointId,
            Sequence = point.Sequence ?? 0,
            WriteData = json =>
            {
                foreach (KeyValuePair<string, string?> detail in details)
                    if (detail.Value is string text) json.WriteString(detail.Key, text);
            },
        }, _core.SigningSeed, cancellationToken).ConfigureAwait(false);
        await _core.Store.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes sure, as far as that can be known beforehand, that evidence can be kept now: the store answers, and the
    /// repository is still the one that was opened.
    /// </summary>
    /// <exception cref="NataliaException"><c>PasswordRequired</c>, <c>RepositoryNotFound</c>, a store
    /// error.</exception>
    public async Task EnsureRecordableAsync(CancellationToken cancellationToken)
    {
        _ = _core.SigningSeed;
        byte[] bytes = await RepositorySettings.ReadBytesAsync(_core.Store, cancellationToken).ConfigureAwait(false);
        if (RepositorySettings.Decode(bytes, Location).Id.ToString() != RepositoryId)
            throw new NataliaException(ErrorIds.RepositoryNotFound, NataliaErrorKind.NotFound,
                $"{Location} holds another repository than the one that was connected as '{Label}'.", Label,
                "Connect it again.");
    }
}
