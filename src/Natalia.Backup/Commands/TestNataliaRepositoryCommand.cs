using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Pipeline;
using Natalia.Backup.Sessions;

namespace Natalia.Backup.Commands;

/// <summary>Checks a repository as a whole. Needs no password.</summary>
/// <remarks>
/// <para>Without -Full the structure is checked: what should be there is there, in its right length. Then the destination is proved by trying: it is written to and read, clocks are compared, several writers fight for a name,
/// room and place are looked at, and where objects are locked a locked probe is deleted, which must be refused. What was tried is removed again; a locked probe goes with a later check. A session with -AuditOnly tries nothing.</para>
/// <para>With -Full every byte of every object is read instead, so that any single changed byte is found. Nothing is written.</para>
/// <para>The results are written first. When one of them is Failed, the error RepositoryCheckFailed follows at the end.</para>
/// <para>No password is needed, so the check can run on a machine that must not read the disks. To prove that the points can be restored, use Test-NataliaRestorePoint.</para>
/// </remarks>
/// <example>
/// <code>Test-NataliaRepository -Repository nas</code>
/// <para>Checks the structure of the repository "nas".</para>
/// </example>
/// <example>
/// <code>$session = Connect-NataliaRepository -Path \\nas\backup\natalia -AuditOnly
/// if (-not ($session | Test-NataliaRepository -Full -Quiet)) { throw 'The repository is damaged.' }</code>
/// <para>A weekly runbook that reads every byte, without knowing the password.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaRepository")]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaRepositoryCommand : NataliaCommand
{
    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, every connected repository is checked.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>Read every byte of every object.</summary>
    [Parameter]
    public SwitchParameter Full { get; set; }

    /// <summary>Write True or False for each repository instead of the results, and no error for a damaged one.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        foreach (RepositoryConnection connection in Registry.Repositories.ForReading(References.Clean(Repository)))
        {
            try
            {
                await CheckAsync(connection, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, connection.Session);
            }
        }
    }

    private async Task CheckAsync(RepositoryConnection connection, CancellationToken cancellationToken)
    {
        List<CheckResult> failed = [];
        using ProgressReporter progress = StartProgress($"Checking {connection.Name}");
        await foreach (CheckResult result in connection.Repository.CheckAsync(Full, progress, cancellationToken).ConfigureAwait(false)) Take(result);
        if (!Full && connection.Session.IsUnlocked)
        {
            await foreach (CheckResult result in connection.Repository.ProbeAsync([], cancellationToken).ConfigureAwait(false)) Take(result);
        }
        if (Quiet) Emit(failed.Count == 0);
        else if (failed.Count > 0)
            DeferError(new NataliaException(ErrorIds.RepositoryCheckFailed, NataliaErrorKind.InvalidData,
                $"The repository '{connection.Name}' ({connection.Session.Location}) has failed {failed.Count} check(s). The first is {failed[0].Name}. {failed[0].Detail}".TrimEnd(), connection.Name,
                "Test-NataliaRestorePoint tells which restore points are concerned."), connection.Session);

        void Take(CheckResult result)
        {
            if (result.Result == CheckOutcome.Failed) failed.Add(result);
            if (!Quiet) Emit(result);
        }
    }
}
