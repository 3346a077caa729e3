using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Proxmox.BackupServer;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Text;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Checks a repository as a whole. Needs no password.</summary>
/// <remarks>
/// <para>Without -Full the structure is checked: what should be there is there, in its right length. Then the
/// destination is proved by trying: it is written to and read, clocks are compared, several writers fight for a name,
/// room and place are looked at, and where objects are locked a locked probe is deleted, which must be refused. What
/// was tried is removed again; a locked probe goes with a later check. A session with -AuditOnly tries nothing.</para>
/// <para>With -Full every byte of every object is read instead, so that any single changed byte is found. Nothing is
/// written then.</para>
/// <para>What is wrong is written as soon as it is found, and what passed at the end, told together: -Detailed writes
/// every check by itself. When one of them is Failed, the error RepositoryCheckFailed follows at the end.</para>
/// <para>A storage of a Proxmox VE cluster is looked after by its Proxmox Backup Server. With -BackupServer that server
/// is asked: prune, verify and garbage collection runs, the age of verifications, the S3 store behind it. Nothing is
/// changed there. What the server does not know is NotEvidenced, and no success.</para>
/// <para>No password is needed, so the check can run on a machine that must not read the disks. To prove that the
/// points can be restored, use Test-NataliaRestorePoint.</para>
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
/// <example>
/// <code>Test-NataliaRepository -Repository pbs -BackupServer pbs.example.com -Credential (Get-Secret pbs-audit) -CaCertificate C:\ProgramData\pbs.pem -Datastore tank</code>
/// <para>Reads from a Proxmox Backup Server how the datastore behind a storage is looked after.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaRepository", DefaultParameterSetName = OwnSet)]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaRepositoryCommand : NataliaCommand
{
    private const string OwnSet = "Own";
    private const string BackupServerSet = "BackupServer";
    private const string Structure = "Structure";

    /// <summary>
    /// The repository: the session that Connect-NataliaRepository returned, or its name. Left out, every connected
    /// repository is checked.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string[]? Repository { get; set; }

    /// <summary>
    /// The name or address of the Proxmox Backup Server behind the storage; with host:port where the port is not 8007.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = BackupServerSet)]
    [ValidateNotNullOrEmpty]
    public string BackupServer { get; set; } = "";

    /// <summary>
    /// Who asks the backup server: user@realm with the password, or user@realm!token with the secret of an API token.
    /// Datastore.Audit is enough; the test of an S3 store needs Sys.Modify.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = BackupServerSet)]
    [Credential]
    public PSCredential? Credential { get; set; }

    /// <summary>The name of the datastore on the backup server.</summary>
    [Parameter(Mandatory = true, ParameterSetName = BackupServerSet)]
    [ValidateNotNullOrEmpty]
    public string Datastore { get; set; } = "";

    /// <summary>
    /// The SHA-256 fingerprint of the backup server's certificate, colons allowed. Without it, the system or
    /// -CaCertificate must trust the certificate.
    /// </summary>
    [Parameter(ParameterSetName = BackupServerSet)]
    [ValidateNotNullOrEmpty]
    public string[]? ServerCertificateThumbprint { get; set; }

    /// <summary>A file with the authority that signs the backup server's certificate.</summary>
    [Parameter(ParameterSetName = BackupServerSet)]
    [ValidateNotNullOrEmpty]
    public string? CaCertificate { get; set; }

    /// <summary>
    /// How many days old the last good run of a job, and the verification of a point, may be: 1 to 3650, 30 by default.
    /// </summary>
    [Parameter(ParameterSetName = BackupServerSet)]
    [ValidateRange(1, 3650)]
    public int MaximumAgeDays { get; set; } = 30;

    /// <summary>Read every byte of every object.</summary>
    [Parameter(ParameterSetName = OwnSet)]
    public SwitchParameter Full { get; set; }

    private readonly Verdict _verdict = new();
    private readonly List<CheckResult> _passed = [];

    /// <summary>
    /// Write every check by itself, as soon as it has ended. Left out, what passed is told together, one row for each
    /// part of a repository, behind what did not; CheckCount says how many checks a row stands for.
    /// </summary>
    [Parameter]
    public SwitchParameter Detailed { get; set; }

    /// <summary>
    /// Write one True or False for all repositories together instead of the results, and no error for a damaged one.
    /// With -BackupServer, it is False also for what is not evidenced; with -Full, for packs in an archive class, which
    /// are not read.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "no repository was checked";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string>? named = References.Clean(Repository);
        IReadOnlyList<RepositoryConnection> connections = Registry.Repositories.ForReading(named);
        if (named is not { Count: > 0 }) DeferAway(Registry.Repositories);
        foreach (RepositoryConnection connection in connections)
        {
            try
            {
                if (ParameterSetName == BackupServerSet)
                    await CheckBackupServerAsync(connection, cancellationToken).ConfigureAwait(false);
                else await CheckAsync(connection, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, connection.Session);
            }
        }
    }

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        foreach (CheckResult together in CheckSummary.Of(_passed, Area, perAppliance: false,
            area => Full || area != Structure ? null : "Packs were not read; -Full reads them."))
            Emit(together);
        return Task.CompletedTask;
    }

    private string Area(CheckResult check) =>
        ParameterSetName == BackupServerSet
            ? "BackupServer"
            : check.Name.StartsWith("Store", StringComparison.Ordinal) ? "Store" : Structure;

    private void Tell(CheckResult check)
    {
        if (!Detailed && check.Result == CheckOutcome.Passed) _passed.Add(check);
        else Emit(check);
    }

    private async Task CheckBackupServerAsync(RepositoryConnection connection, CancellationToken cancellationToken)
    {
        if (connection.IsOwn)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{connection.Name}' has no Proxmox Backup Server behind it.", connection.Name,
                "Name the repository that was connected with -ProxmoxStorage.");
        string? authority = CaCertificate is null
            ? null
            : await OnPipelineAsync(() => FilePaths.Resolve(SessionState, CaCertificate)).ConfigureAwait(false);
        using BackupServerEvidence server = await BackupServerEvidence.ConnectAsync(new ProxmoxConnectOptions
        {
            Hosts = [BackupServer],
            Port = 8007,
            User = Credential!.UserName,
            Secret = Credential.Password,
            CertificateThumbprints = ServerCertificateThumbprint ?? [],
            AuthorityFile = authority,
        }, cancellationToken).ConfigureAwait(false);
        IReadOnlyList<CheckResult> checks = await server.ReadAsync(Datastore, TimeSpan.FromDays(MaximumAgeDays),
            cancellationToken).ConfigureAwait(false);
        Report(connection, [.. checks.Select(c => c with
        {
            Repository = connection.Name,
            RepositoryId = connection.Session.RepositoryId,
        })]);
    }

    private void Report(RepositoryConnection connection, IReadOnlyList<CheckResult> checks)
    {
        List<CheckResult> failed = [.. checks.Where(c => c.Result == CheckOutcome.Failed)];
        if (Quiet)
        {
            // What the server does not know is no success, and with -Quiet there is nothing else to tell it.
            _verdict.Add(checks.All(c => c.Result is not (CheckOutcome.Failed or CheckOutcome.NotEvidenced)));
            return;
        }
        foreach (CheckResult check in checks) Tell(check);
        if (failed.Count > 0)
            DeferError(new NataliaException(ErrorIds.RepositoryCheckFailed, NataliaErrorKind.InvalidData,
                ($"The repository '{connection.Name}' ({connection.Session.Location}) has failed "
                    + $"{Plural.Count(failed.Count, "check")}. The first is {failed[0].Name} ({failed[0].Target}). "
                    + failed[0].Detail).TrimEnd(),
                connection.Name), connection.Session);
    }

    /// <summary>The machines whose loss takes the appliances along: a destination on one of them is none.</summary>
    private async Task<IReadOnlyCollection<string>> FindHypervisorHostsAsync(CancellationToken cancellationToken)
    {
        var hosts = new HashSet<string>(StringComparer.OrdinalIgnoreCase);
        foreach (HypervisorConnection hypervisor in Registry.Hypervisors.All)
            hosts.UnionWith(await hypervisor.Settings.FindMachinesAsync(cancellationToken).ConfigureAwait(false));
        return hosts;
    }

    private async Task CheckAsync(RepositoryConnection connection, CancellationToken cancellationToken)
    {
        if (!connection.IsOwn)
            throw new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                $"The repository '{connection.Name}' is a storage of a {connection.Points.Kind} hypervisor, which has "
                + "no check of the whole.",
                connection.Name,
                "Ask the Proxmox Backup Server behind it with -BackupServer, or test points with "
                + "Test-NataliaRestorePoint.");
        List<CheckResult> failed = [];
        bool isUnread = false;
        // What concerns an appliance is told by its name; the log has that without a password.
        Dictionary<string, string> names =
            (await connection.Repository.GetAppliancesAsync(cancellationToken).ConfigureAwait(false))
            .Where(a => a.Name is not null)
            .ToDictionary(a => a.ApplianceId, a => a.Name!, StringComparer.Ordinal);
        using ProgressReporter progress = StartProgress($"Checking {connection.Name}");
        await foreach (CheckResult result in connection.Repository.CheckAsync(Full, progress,
            cancellationToken).ConfigureAwait(false))
            Take(result);
        if (!Full && connection.Session.IsUnlocked)
        {
            await foreach (CheckResult result in connection.Repository.ProbeAsync(
                await FindHypervisorHostsAsync(cancellationToken).ConfigureAwait(false),
                cancellationToken).ConfigureAwait(false))
                Take(result);
            await foreach (CheckResult result in connection.Repository.CheckLocksAsync(
                cancellationToken).ConfigureAwait(false))
                Take(result);
        }
        if (Quiet) _verdict.Add(failed.Count == 0 && !isUnread);
        else if (failed.Count > 0)
            DeferError(new NataliaException(ErrorIds.RepositoryCheckFailed, NataliaErrorKind.InvalidData,
                ($"The repository '{connection.Name}' ({connection.Session.Location}) has failed "
                    + $"{Plural.Count(failed.Count, "check")}. The first is {failed[0].Name}. "
                    + failed[0].Detail).TrimEnd(),
                connection.Name,
                "Repair-NataliaRepository -WhatIf tells which restore points are concerned and what can be done, and "
                + "changes nothing"
                + (connection.Session.IsUnlocked ? "." : "; it needs the password.")),
                connection.Session);

        void Take(CheckResult result)
        {
            result = result with { Repository = connection.Name, RepositoryId = connection.Session.RepositoryId };
            if (result.ApplianceId is string id && names.TryGetValue(id, out string? name))
            {
                result = result with { ApplianceName = name };
                if (result.Target == $"appliances/{id}/") result = result with { Target = name };
            }
            if (result.Result == CheckOutcome.Failed) failed.Add(result);
            // Every byte was asked for: True would say that it was read.
            if (Full && result.Result == CheckOutcome.Skipped) isUnread = true;
            if (!Quiet) Tell(result);
        }
    }
}
