using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>
/// Keeps restore tests with the appliance: in the log of the repository that holds the point, or of the one that keeps
/// its evidence.
/// </summary>
/// <param name="registry">The runspace's connections.</param>
/// <param name="evidence">Records in evidence repositories.</param>
internal sealed class RestoreTestBook(SessionRegistry registry, EvidenceBook evidence)
{
    private const string OwnEvent = "restore-tested";
    private const string NativeEventWord = "native-restore-tested";

    /// <summary>
    /// What was tested must be recorded although the user stopped the command meanwhile; but not for ever.
    /// </summary>
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    /// <summary>Keeps a test.</summary>
    /// <returns>Why it could not be kept; null when it was, or where there is no place for it.</returns>
    internal async Task<NataliaException?> RecordAsync(RepositoryConnection repository, RestorePoint point,
        RestoreTest test)
    {
        string text = RestoreTestJson.Encode(test);
        string result = test.Reason is null ? test.Result.ToString() : $"{test.Result}: {test.Reason}";
        if (!repository.IsOwn)
        {
            evidence.WarnIfNone(repository, "a restore test");
            await evidence.RecordAsync(repository, NativeEvent.RestoreTested, point, result,
                [new("result", test.Result.ToString()), new("test", text)]).ConfigureAwait(false);
            return null;
        }
        try
        {
            using var limit = new CancellationTokenSource(s_limit);
            await repository.Repository.RecordRestoreTestAsync(point, result, text,
                limit.Token).ConfigureAwait(false);
            return null;
        }
        catch (Exception e) when (e is NataliaException or OperationCanceledException)
        {
            return new NataliaException(ErrorIds.RestoreTestNotRecorded, NataliaErrorKind.WriteFailed,
                $"The restore test of {point} ended ({test.Result}), but could not be recorded in '{repository.Name}': "
                + e.Message, point.RestorePointId, "Make the repository reachable, and test again.", e);
        }
    }

    /// <summary>The tests that are kept, newest first.</summary>
    /// <param name="repositories">The repositories that hold the points; a hypervisor's storage stands for the one that
    /// keeps its evidence.</param>
    /// <param name="applianceIds">Of which appliances; null for all.</param>
    /// <param name="afterUtc">Only tests of this time or later, UTC; or null.</param>
    /// <param name="beforeUtc">Only tests of this time or earlier, UTC; or null.</param>
    /// <param name="onTrouble">Told of each repository that cannot be read, and of each record that cannot.</param>
    /// <param name="cancellationToken">Stops it.</param>
    internal async Task<IReadOnlyList<RestoreTest>> ReadAsync(IReadOnlyList<RepositoryConnection> repositories,
        IReadOnlyCollection<string>? applianceIds, DateTime? afterUtc, DateTime? beforeUtc,
        Action<Exception, object?> onTrouble, CancellationToken cancellationToken)
    {
        var filter = new AuditRecordFilter
        {
            ApplianceIds = applianceIds,
            Events = [OwnEvent, NativeEventWord],
            AfterUtc = afterUtc,
            BeforeUtc = beforeUtc,
        };
        HashSet<string?> wanted = [.. repositories.Select(r => r.Identity)];
        List<RestoreTest> tests = [];
        foreach (RepositoryConnection log in LogsOf(repositories, onTrouble))
        {
            try
            {
                foreach (AuditRecord record in await log.Repository.GetAuditRecordsAsync(filter,
                    damage => onTrouble(damage, log.Session), cancellationToken).ConfigureAwait(false))
                {
                    if (Read(record, log, onTrouble) is not RestoreTest test) continue;
                    // What a repository keeps for others is told with it as long as those are not asked for.
                    bool isOwn = test.RepositoryId == log.Identity;
                    if (wanted.Contains(test.RepositoryId) || (!isOwn && repositories.Contains(log))) tests.Add(test);
                }
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                onTrouble(e, log.Session);
            }
        }
        return [.. tests.OrderByDescending(t => t.StartedUtc).ThenBy(t => t.RestoreTestId, StringComparer.Ordinal)];
    }

    private IReadOnlyList<RepositoryConnection> LogsOf(IReadOnlyList<RepositoryConnection> repositories,
        Action<Exception, object?> onTrouble)
    {
        List<RepositoryConnection> logs = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                if (!repository.IsOwn && repository.Evidence is null) continue;
                RepositoryConnection log = EvidenceBook.LogOf(registry, repository);
                if (!logs.Contains(log)) logs.Add(log);
            }
            catch (NataliaException e)
            {
                onTrouble(e, repository.Session);
            }
        }
        return logs;
    }

    private RestoreTest? Read(AuditRecord record, RepositoryConnection log, Action<Exception, object?> onTrouble)
    {
        try
        {
            return Decode(record, log.Session.RepositoryId) is not RestoreTest test
                ? null
                : test with
                {
                    Repository = registry.Repositories.All.FirstOrDefault(r => r.Identity == test.RepositoryId)?.Name,
                };
        }
        catch (FormatException damage)
        {
            onTrouble(new NataliaException(ErrorIds.ObjectDamaged, NataliaErrorKind.InvalidData,
                $"A record of a restore test in '{log.Name}' cannot be read: {damage.Message}", record.RecordHash, null,
                damage), log.Session);
            return null;
        }
    }

    /// <summary>The test that a record tells of; null where it is no record of one.</summary>
    /// <param name="record">The record.</param>
    /// <param name="logId">The id of the repository in whose log it stands.</param>
    /// <exception cref="FormatException">It is not what was written.</exception>
    internal static RestoreTest? Decode(AuditRecord record, string logId)
    {
        if (record.Event is not (OwnEvent or NativeEventWord)) return null;
        string? text = record.Event == OwnEvent ? record.Data : Detail(record.Data);
        // Tests of a storage that were recorded without their checks, by another means, are no tests to list.
        return text is null || record.ApplianceId is null || record.RestorePointId is null
            ? null
            : RestoreTestJson.Decode(text, record.ApplianceId, record.RestorePointId,
                record.NativeRepositoryId ?? logId);
    }

    private static string? Detail(string? data)
    {
        if (data is null) return null;
        using JsonDocument document = JsonDocument.Parse(data);
        return document.RootElement.TryGetProperty("details", out JsonElement details)
            && details.ValueKind == JsonValueKind.Object && details.TryGetProperty("test", out JsonElement test)
            && test.ValueKind == JsonValueKind.String
            ? test.GetString()
            : null;
    }
}
