using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Audit;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Verification;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Evidence;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Proves that audit logs are what was written, without a password.</summary>
/// <remarks>
/// <para>Every record is signed and names the records that its writer saw; restore points name the newest records of
/// their time. So it shows when a record was edited, removed, inserted or renamed, and when the end was cut off back to
/// before the newest restore point. For each log the first break is reported: Actual is edited, removed, inserted,
/// reordered or cut, and Detail says where. Two machines that wrote at the same moment are no break.</para>
/// <para>What was cut off after the newest restore point cannot be seen from the log itself: keep the newest record of
/// every log (Get-NataliaAuditRecord -Latest) and AuditKeyFingerprint in another place, and give them as -ExpectedHead
/// and -ExpectedFingerprint. There is a log for each appliance, and one for the repository. Without a fingerprint, and
/// without a session that was opened with the password, AuditKey is NotEvidenced: somebody may have replaced the whole
/// log. Whoever knows the password can sign records; an unencrypted repository's log shows accidents, not
/// forgery.</para>
/// <para>The results are written first. When one of them is Failed, the error AuditChainBroken follows at the
/// end.</para>
/// </remarks>
/// <example>
/// <code>Test-NataliaAudit -Path \\nas\backup\natalia -ExpectedFingerprint $fingerprint</code>
/// <para>Verifies a repository, or a copy of its natalia.json and log folders, without connecting to it.</para>
/// </example>
/// <example>
/// <code>Get-NataliaAuditRecord -Repository nas -Latest | Export-Csv X:\heads.csv
/// # a quarter later
/// if (-not (Test-NataliaAudit -Repository nas -ExpectedHead (Import-Csv X:\heads.csv) -Quiet)) { throw 'The audit log was tampered with.' }</code>
/// <para>A quarterly check that nothing is missing of what was there in the quarter before, in none of the logs. Keep
/// the file where whoever can write to the repository cannot.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaAudit", DefaultParameterSetName = SessionSet)]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaAuditCommand : NataliaCommand
{
    private const string SessionSet = "Session";
    private const string PathSet = "Path";

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, every connected
    /// repository is verified.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipeline = true, ParameterSetName = SessionSet)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>
    /// The folder of a repository, or of a copy of its natalia.json and log folders. Relative paths, ~ and PowerShell
    /// drives are welcome; wildcards are taken literally.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = PathSet)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>The AuditKeyFingerprint that was kept elsewhere: 64 hexadecimal digits.</summary>
    [Parameter]
    [ValidatePattern("^\\s*[0-9A-Fa-f]{64}\\s*$")]
    public string? ExpectedFingerprint { get; set; }

    /// <summary>
    /// Records that must be there still: what Get-NataliaAuditRecord -Latest listed, live or as the rows of a file, or
    /// the RecordHash of each, 64 hexadecimal digits. Note the heads of all logs: a log without one, that was there
    /// when the others were noted, is NotEvidenced, and with -Quiet the answer is False.
    /// </summary>
    [Parameter]
    [AuditHeadArgument]
    public ExpectedHead[]? ExpectedHead { get; set; }

    private readonly Verdict _verdict = new();

    /// <summary>
    /// Write one True or False for all repositories together instead of the results, and no error for a broken log. It
    /// is False, too, where a manifest that names a log's end cannot be read.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "no audit log was verified";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        var expectations = new AuditExpectations { Fingerprint = ExpectedFingerprint, Heads = ExpectedHead ?? [] };
        if (ParameterSetName == PathSet)
        {
            string path = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
            using FolderStore store = FolderStore.Open(path, create: false);
            IReadOnlyList<CheckResult> results;
            using (ProgressReporter progress = StartProgress($"Verifying the audit logs of {path}"))
                results = await AuditVerification.ExecuteAsync(store, expectations, progress,
                    cancellationToken).ConfigureAwait(false);
            Report(results, path, path, []);
            return;
        }
        IReadOnlyList<string>? named = References.Clean(Repository);
        IReadOnlyList<RepositoryConnection> repositories = Registry.Repositories.ForReading(named);
        // A hypervisor's own storage keeps no log: the log with its evidence is verified, and one without any says so
        // itself when it was named.
        if (repositories.Any(r => r.IsOwn) && named is not { Count: > 0 })
            repositories = [.. repositories.Where(r => r.IsOwn)];
        if (named is not { Count: > 0 }) DeferAway(Registry.Repositories);
        HashSet<RepositoryConnection> done = [];
        foreach (RepositoryConnection repository in repositories)
        {
            try
            {
                RepositoryConnection connection = EvidenceBook.LogOf(Registry, repository);
                if (!done.Add(connection)) continue;
                IReadOnlyList<CheckResult> results;
                using (ProgressReporter progress = StartProgress($"Verifying the audit logs of {connection.Name}"))
                    results = await connection.Repository.VerifyAuditAsync(expectations, progress,
                        cancellationToken).ConfigureAwait(false);
                Report(results,
                    connection.Name, connection.Session,
                    await connection.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false));
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, repository.Session);
            }
        }
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        return Task.CompletedTask;
    }

    private void Report(IReadOnlyList<CheckResult> results, string name, object target,
        IReadOnlyList<KnownAppliance> appliances)
    {
        CheckResult Named(CheckResult result)
        {
            KnownAppliance? appliance = appliances.FirstOrDefault(a => result.ApplianceId is string id
                ? a.ApplianceId == id
                : result.Target?.StartsWith($"appliances/{a.ApplianceId}/", StringComparison.Ordinal) == true);
            return result with
            {
                Target = result.Target == $"appliances/{appliance?.ApplianceId}/log/" && appliance?.Name is string own
                    ? own
                    : result.Target,
                Repository = name,
                ApplianceId = appliance?.ApplianceId ?? result.ApplianceId,
                ApplianceName = appliance?.Name,
            };
        }

        List<CheckResult> failed = [.. results.Where(r => r.Result == CheckOutcome.Failed)];
        if (Quiet)
        {
            // A head was expected, or a manifest names it, so that a cut shows: where it cannot show, that is no proof.
            _verdict.Add(failed.Count == 0
                && !results.Any(r => r.Name is "AuditHead" or "AuditLog" && r.Result == CheckOutcome.NotEvidenced));
            return;
        }
        // What is wrong first; a log is told by the name of its appliance.
        EmitAll([.. results.Select(Named).OrderBy(r => r.Result switch
        {
            CheckOutcome.Failed => 0,
            CheckOutcome.Passed => 2,
            _ => 1,
        })]);
        if (failed.Count > 0)
            DeferError(new NataliaException(ErrorIds.AuditChainBroken, NataliaErrorKind.Security,
                $"The audit log of the repository '{name}' is broken ({failed[0].Target}: {failed[0].Actual}). "
                + $"{failed[0].Detail}",
                name,
                "Keep the repository as it is, find out who could write there, and compare with a copy of the log if "
                + "there is one. Restore points do not depend on the log: Test-NataliaRestorePoint proves them."),
                target);
    }
}
