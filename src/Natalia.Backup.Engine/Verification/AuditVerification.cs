using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;

namespace Natalia.Backup.Engine.Verification;

/// <summary>
/// Verifies the audit logs of a repository, or of a copy of its <c>natalia.json</c> and logs, without a password.
/// Writes nothing.
/// </summary>
/// <remarks>
/// <para>Seen is every record that was edited, removed, inserted or renamed, and an end that was cut off as far as a
/// manifest or <see cref="AuditExpectations.Heads"/> names what was there. Not seen is what was appended by somebody
/// who has the signing key: that is what a password protects.</para>
/// <para>Two writers at once make a fork, which is no break.</para>
/// </remarks>
public sealed class AuditVerification
{
    /// <summary>Enough to hide the latency of a bucket, few enough not to be throttled.</summary>
    private const int ReadsAtOnce = 16;

    private readonly IObjectStore _store;
    private readonly AuditExpectations _expectations;
    private readonly Dictionary<string, AuditRecord> _known = new(StringComparer.Ordinal);
    private readonly List<(string Prefix, string? ApplianceId, IReadOnlyList<AuditRecord> Records)> _logs = [];
    private RepositorySettings _settings = null!;

    private readonly IProgress<OperationProgress>? _progress;
    private long _read, _found;
    private bool PassesOverUnreadable { get; init; }

    private AuditVerification(IObjectStore store, AuditExpectations expectations,
        IProgress<OperationProgress>? progress)
    {
        _progress = progress;
        _store = store;
        _expectations = expectations;
    }

    /// <summary>
    /// Verifies all logs. One result for the key, one for each log, one for each expected head, and one for each log
    /// that has none although others have; a break is a Failed result, not an exception.
    /// </summary>
    /// <param name="store">Where the repository or the copy is; stays the caller's.</param>
    /// <param name="expectations">What was kept elsewhere.</param>
    /// <exception cref="NataliaException"><c>RepositoryNotFound</c>, <c>NotARepository</c>, <c>RepositoryDamaged</c>,
    /// <c>RepositoryFormatTooNew</c>, a store error.</exception>
    public static Task<IReadOnlyList<CheckResult>> ExecuteAsync(IObjectStore store, AuditExpectations expectations,
        CancellationToken cancellationToken) =>
        ExecuteAsync(store, expectations, null, cancellationToken);

    /// <inheritdoc cref="ExecuteAsync(IObjectStore, AuditExpectations, CancellationToken)"/>
    /// <param name="progress">Told how many objects of the logs were read; or null.</param>
    public static Task<IReadOnlyList<CheckResult>> ExecuteAsync(IObjectStore store, AuditExpectations expectations,
        IProgress<OperationProgress>? progress, CancellationToken cancellationToken) =>
        new AuditVerification(store, expectations, progress).ExecuteAsync(cancellationToken);

    /// <summary>The same without expectations, for who repairs: a record that the store does not give is a break of its
    /// log and no error, so that all else is looked at.</summary>
    internal static Task<IReadOnlyList<CheckResult>> ExecuteForRepairAsync(IObjectStore store,
        CancellationToken cancellationToken) =>
        new AuditVerification(store, new AuditExpectations(), null) { PassesOverUnreadable = true }
            .ExecuteAsync(cancellationToken);

    private async Task<IReadOnlyList<CheckResult>> ExecuteAsync(CancellationToken cancellationToken)
    {
        _settings = RepositorySettings.Decode(await RepositorySettings.ReadBytesAsync(_store,
            cancellationToken).ConfigureAwait(false),
            _store.Location);
        var results = new List<CheckResult> { CheckKey() };
        results.Add(await CheckLogAsync(null, cancellationToken).ConfigureAwait(false));
        foreach (string appliance in await RepositoryCore.ListAppliancesAsync(_store,
            cancellationToken).ConfigureAwait(false))
            results.Add(
                await CheckLogAsync(appliance,
                    cancellationToken).ConfigureAwait(false) with
                { ApplianceId = appliance });
        List<string> heads = [.. _expectations.Heads
            .Where(h => h.RepositoryId is null
                || string.Equals(h.RepositoryId, _settings.Id.ToString(), StringComparison.OrdinalIgnoreCase))
            .Select(h => Normalize(h.RecordHash)!).Distinct()];
        if (_expectations.Heads.Count > 0) results.AddRange(FindUncovered(heads));
        results.AddRange(heads.Select(CheckHead));
        return results;
    }

    private CheckResult CheckKey()
    {
        string fingerprint = Signing.Fingerprint(_settings.AuditKey);
        CheckResult result = new()
        {
            Name = "AuditKey",
            Result = CheckOutcome.Passed,
            Target = Layout.Settings,
            Expected = Normalize(_expectations.Fingerprint),
            Actual = fingerprint,
            RepositoryId = _settings.Id.ToString(),
        };
        if (result.Expected is null)
            return result with
            {
                Result = CheckOutcome.NotEvidenced,
                Detail = "Nobody said which key must have signed: compare this fingerprint with the one that was kept "
                    + "elsewhere when the repository was made.",
            };
        return result.Expected == fingerprint ? result : result with
        {
            Result = CheckOutcome.Failed,
            ErrorId = ErrorIds.AuditChainBroken,
            Detail = "The audit key is not the one that was expected: this is another repository, or somebody "
                + "replaced natalia.json and signed a log of their own.",
        };
    }

    /// <summary>
    /// The logs of whose end nobody noted anything, although they were there when the others' were noted: what was cut
    /// off there does not show.
    /// </summary>
    private IEnumerable<CheckResult> FindUncovered(IReadOnlyList<string> heads)
    {
        List<AuditRecord> noted = [.. heads.Where(_known.ContainsKey).Select(h => _known[h])];
        var covered = new HashSet<string>(noted.Select(r => r.RecordHash), StringComparer.Ordinal);
        return from log in _logs
               where log.Records.Count > 0 && !log.Records.Any(r => covered.Contains(r.RecordHash))
               where noted.Count == 0 || log.Records.Min(r => r.TimeUtc) <= noted.Max(r => r.TimeUtc)
               select new CheckResult
               {
                   Name = "AuditHead",
                   Result = CheckOutcome.NotEvidenced,
                   Target = log.Prefix,
                   Expected = "a noted head",
                   Actual = "none",
                   RepositoryId = _settings.Id.ToString(),
                   ApplianceId = log.ApplianceId,
                   Detail =
                       (noted.Count == 0
                           ? "None of the expected heads is of this repository, which may be newer than they are"
                       : "None of the expected heads is of this log, which was there when they were noted")
                       + ": whether its end was cut off is not known. Get-NataliaAuditRecord -Latest lists the heads "
                       + "of all logs.",
               };
    }

    private CheckResult CheckHead(string expected)
    {
        CheckResult result = new()
        {
            Name = "AuditHead",
            Result = CheckOutcome.Passed,
            Target = expected,
            Expected = "present",
            Actual = "present",
            RepositoryId = _settings.Id.ToString(),
        };
        return _known.ContainsKey(expected) ? result : result with
        {
            Result = CheckOutcome.Failed,
            Actual = "cut",
            ErrorId = ErrorIds.AuditChainBroken,
            Detail = $"The record {expected}, which was there once, is in none of the logs.",
        };
    }

    private async Task<CheckResult> CheckLogAsync(string? applianceId, CancellationToken cancellationToken)
    {
        long started = Stopwatch.GetTimestamp();
        string prefix = applianceId is null ? Layout.RepositoryLog : Layout.Log(applianceId);
        // The manifests first: the records that one names were there before it.
        Anchors anchors = await ReadAnchorsAsync(applianceId, cancellationToken).ConfigureAwait(false);
        (AuditVerdict verdict, int objects) = await ReadLogAsync(applianceId, prefix, anchors,
            cancellationToken).ConfigureAwait(false);
        for (int again = 0; verdict.Breaks.Count > 0 && again < 2; again++)
        {
            // A list that was made while somebody wrote may hold the later of two records and not the earlier one.
            (AuditVerdict next, int nextObjects) = await ReadLogAsync(applianceId, prefix, anchors,
                cancellationToken).ConfigureAwait(false);
            bool isStill = nextObjects == objects;
            (verdict, objects) = (next, nextObjects);
            if (isStill) break;
        }
        foreach (AuditRecord record in verdict.Records) _known[record.RecordHash] = record;
        _logs.Add((prefix, applianceId, verdict.Records));
        CheckResult result = new()
        {
            Name = "AuditLog",
            Result = CheckOutcome.Passed,
            Target = prefix,
            Expected = "intact",
            Actual = "intact",
            Duration = Elapsed(started),
            RepositoryId = _settings.Id.ToString(),
            Detail = verdict.Records.Count == 0
                ? "There are no records."
                : $"{Plural.Count(verdict.Records.Count, "record")}, each as it was signed, and none is missing"
                    + (anchors.Hashes.Count == 0
                        ? ""
                        : $", also of the {anchors.Hashes.Count} that restore points name")
                    + $"; newest: {string.Join(", ", verdict.Heads)}.",
        };
        if (verdict.Breaks.Count > 0)
        {
            AuditBreak first = verdict.Breaks[0];
            return result with
            {
                Result = CheckOutcome.Failed,
                Actual = first.Word,
                ErrorId = ErrorIds.AuditChainBroken,
                Detail = first.Detail,
            };
        }
        if (anchors.Unreadable.Count > 0)
            return result with
            {
                Result = CheckOutcome.NotEvidenced,
                Actual = "unknown",
                Detail = $"{Plural.Count(verdict.Records.Count, "record")}, each as it was signed; but "
                    + $"{Unreadable(anchors.Unreadable)} cannot be read: what that says of the log's end is not known.",
            };
        var recorded = new HashSet<long>(verdict.Records.Where(r => r.Event == AuditEvents.PointMade)
            .Select(r => r.Sequence ?? 0));
        List<long> unrecorded = [.. anchors.Points.Where(s => !recorded.Contains(s))];
        if (unrecorded.Count == 0) return result;
        return result with
        {
            Result = CheckOutcome.Warning,
            Detail = $"The log has no record of the restore point with the sequence {unrecorded.Max()}. Either its "
                + "run ended right before it could write one, and the next backup writes it; or the end of the log "
                + "was cut off.",
        };
    }

    private static string Unreadable(List<string> manifests)
    {
        string first = manifests.OrderBy(n => n, StringComparer.Ordinal).Last();
        return manifests.Count == 1 ? $"the manifest '{first}'" : $"{manifests.Count} manifests, such as '{first}',";
    }

    /// <param name="Hashes">The records that manifests name, each with what names it.</param>
    /// <param name="Points">The sequences of the points.</param>
    /// <param name="Unreadable">The manifests that cannot be read.</param>
    private sealed record Anchors(Dictionary<string, string> Hashes, List<long> Points, List<string> Unreadable);

    /// <summary>
    /// What the manifests of an appliance say of its log, in their plaintext headers. Damaged ones say nothing, and
    /// what they would have said is not known.
    /// </summary>
    private async Task<Anchors> ReadAnchorsAsync(string? applianceId, CancellationToken cancellationToken)
    {
        var anchors = new Anchors(new Dictionary<string, string>(StringComparer.Ordinal), [], []);
        if (applianceId is null) return anchors;
        await ReadAllAsync(Layout.Manifests(applianceId), (name, bytes) =>
        {
            try
            {
                Envelope envelope = SmallObject.Check(bytes, ObjectKind.Manifest);
                using JsonDocument header = JsonText.Parse(envelope.Header);
                string[] heads = [.. header.RootElement.ReadArray("logHeads").Select(h => h.ReadText())];
                bool isPoint = !header.RootElement.ReadBool("incomplete");
                long sequence = header.RootElement.ReadLong("sequence");
                lock (anchors)
                {
                    foreach (string head in heads) anchors.Hashes[head] = $"The manifest '{name}'";
                    if (isPoint) anchors.Points.Add(sequence);
                }
            }
            catch (FormatException)
            {
                AddUnreadable(name);
            }
        }, cancellationToken, AddUnreadable).ConfigureAwait(false);
        return anchors;

        void AddUnreadable(string name)
        {
            lock (anchors) anchors.Unreadable.Add(name);
        }
    }

    private async Task<(AuditVerdict Verdict, int Objects)> ReadLogAsync(string? applianceId, string prefix,
        Anchors anchors, CancellationToken cancellationToken)
    {
        var chain = new AuditChain(applianceId, _settings.AuditKey);
        int objects = await ReadAllAsync(prefix, chain.Add, cancellationToken,
            chain.AddUnreadable).ConfigureAwait(false);
        return (chain.Conclude(anchors.Hashes), objects);
    }

    private async Task<int> ReadAllAsync(string prefix, Action<string, byte[]> take,
        CancellationToken cancellationToken, Action<string>? onUnreadable = null)
    {
        var names =
            new ConcurrentQueue<string>((await _store.ListAllAsync(prefix, cancellationToken).ConfigureAwait(false))
            .Select(o => o.Name));
        int count = names.Count;
        Interlocked.Add(ref _found, count);
        await Task.WhenAll(Enumerable.Range(0, Math.Min(count, ReadsAtOnce)).Select(_ => Task.Run(async () =>
        {
            while (names.TryDequeue(out string? name))
            {
                byte[] bytes;
                _progress?.Report(new OperationProgress("Reading records and manifests",
                    Interlocked.Increment(ref _read) - 1, Interlocked.Read(ref _found))
                {
                    Unit = "objects",
                });
                try
                {
                    bytes = await _store.ReadAllAsync(name, cancellationToken).ConfigureAwait(false);
                }
                catch (FormatException)
                {
                    // Too large to be read: as damaged as one of which nothing is left.
                    bytes = [];
                }
                catch (NataliaException gone) when (gone.ErrorId == ErrorIds.ObjectNotFound)
                {
                    // A manifest that went since it was listed. A record never goes; when one did, its followers tell.
                    continue;
                }
                catch (NataliaException unreadable)
                    when (PassesOverUnreadable && unreadable.ErrorId == ErrorIds.StoreReadFailed)
                {
                    onUnreadable?.Invoke(name);
                    continue;
                }
                take(name, bytes);
            }
        }, cancellationToken))).ConfigureAwait(false);
        return count;
    }

    private static string? Normalize(string? hash) => hash?.Trim().ToLowerInvariant();

    private static TimeSpan Elapsed(long started) =>
        TimeSpan.FromSeconds((Stopwatch.GetTimestamp() - started) / (double)Stopwatch.Frequency);
}
