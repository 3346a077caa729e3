using System.Management.Automation;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Appliances;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Points;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Proves that a restore point restores: into an isolated VM, checked inside, destroyed.</summary>
/// <remarks>
/// <para>The six steps of the procedure, without questions and bounded in time: the point is restored to a new VM on a
/// network that leads nowhere; the isolation is read back from the hypervisor, and without proof the VM is not started;
/// the guest boots, with no exchange and no MCP; natalia-cli check-integrity and natalia-cli audit verify run in it;
/// the call records of the business day before the point are counted and compared with the count that was kept with
/// the point; the VM is destroyed, whatever happened. Each is a check of the result, with its duration.</para>
/// <para>Passed means that every check passed. Failed means that one failed: the error RestoreTestFailed follows the
/// object. NotTested means that none failed, but not everything could be checked: no evidence, and the error
/// RestoreTestNotEvidenced. The test is kept with the appliance, and Get-NataliaRestoreTest lists it.</para>
/// <para>Without a restore point the newest one of each named appliance is tested; -Rotate takes the one appliance that
/// was tested longest ago. What the appliance's settings say (Set-NataliaAppliance) need not be said again; what is
/// said here counts for this test alone.</para>
/// <para>The commands inside run through the hypervisor, as with QEMU's guest agent, so the test VM needs no network.
/// With -SshHostKey they go over SSH on the isolated network. What natalia-cli is asked for, the count above all, is an
/// assumption where no setting says it.</para>
/// <para>With -FromRepository nothing is copied: a test of terabytes begins in seconds. It proves the point, and counts
/// for the age of the last restore test; a restore that takes its time is needed once in a while all the same, as
/// evidence of the RTO.</para>
/// <para>What a test that was killed left on a test bench is destroyed by the next one there. Ctrl-C destroys the VM
/// before the prompt returns.</para>
/// </remarks>
/// <example>
/// <code>Connect-NataliaHypervisor -Qemu /srv/bench -Name bench
/// Test-NataliaRestore natalia-paris -TestBench bench -SystemImage /srv/natalia/system.qcow2</code>
/// <para>Tests the newest restore point of an appliance on this machine.</para>
/// </example>
/// <example>
/// <code>$ErrorActionPreference = 'Stop'
/// $null = Import-NataliaProfile C:\ProgramData\natalia.json
/// Test-NataliaRestore -Rotate</code>
/// <para>A scheduled run: each time the appliance that was tested longest ago, so that all are covered in turn.</para>
/// </example>
/// <example>
/// <code>$test = Get-NataliaRestorePoint -Appliance natalia-paris -Latest | Test-NataliaRestore -KeepOnFailure
/// $test.Checks | Format-Table Name, Result, Expected, Actual, Duration</code>
/// <para>Tests one point, keeps the VM when it does not pass, and shows the checks.</para>
/// </example>
/// <example>
/// <code>Set-NataliaAppliance natalia-paris -GuestCredential natalia-guest -SshHostKey SHA256:uNiVztksCsDhcc0u9e8BrrM1gHKyhsJ4mzGTbHs3WeY
/// Test-NataliaRestore natalia-paris</code>
/// <para>Tests an appliance without a guest agent, over SSH; the secret natalia-guest is its user with the
/// password.</para>
/// </example>
/// <example>
/// <code>Test-NataliaRestore natalia-paris -TestBench bench -FromRepository</code>
/// <para>Tests the newest point without restoring it: its VM runs from the repository.</para>
/// </example>
/// <example>
/// <code>Test-NataliaRestore natalia-paris -Check @{ Licence = { $_.Run('/usr/bin/natalia-cli', 'licence').ExitCode -eq 0 } }</code>
/// <para>Adds a check of one's own, which runs a program in the test VM.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaRestore", SupportsShouldProcess = true, ConfirmImpact = ConfirmImpact.Medium)]
[OutputType(typeof(RestoreTest), typeof(bool))]
public sealed class TestNataliaRestoreCommand : NataliaCommand
{
    private readonly List<LocatedPoint> _points = [];
    private readonly HashSet<(RepositoryConnection, string)> _seen = [];
    private RestorePointFinder? _finder;
    private ApplianceDirectory? _directory;
    private RestoreTestWishes _wishes = new();
    private bool _named;

    /// <summary>
    /// The appliance whose newest restore point is tested: an object of Get-NataliaAppliance, a name, a wildcard or an
    /// id.
    /// </summary>
    [Parameter(Position = 0, ValueFromPipeline = true)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>
    /// The restore point: its id, or at least four digits of its beginning when no other id begins so. Bound from
    /// restore points that are piped in.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RestorePointReference]
    [ArgumentCompleter(typeof(RestorePointCompleter))]
    public string[]? RestorePointId { get; set; }

    /// <summary>The appliance's id. Bound from what is piped in.</summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>
    /// The repository that holds the points: its session or name. Bound from what is piped in. Left out, the connected
    /// ones are searched; of an appliance that is in several, the point of the one that it is enrolled in is taken.
    /// </summary>
    [Parameter(ValueFromPipelineByPropertyName = true)]
    [RepositoryReference]
    [ArgumentCompleter(typeof(RepositoryCompleter))]
    public string? Repository { get; set; }

    /// <summary>
    /// Of the appliances that are meant, all enrolled ones when none is named, test the one alone that was tested
    /// longest ago. One for which no test can be planned is an error, and the next one is tested in its place. Those of
    /// a storage that keeps no evidence are left out, with an error. Not with a restore point.
    /// </summary>
    [Parameter]
    public SwitchParameter Rotate { get; set; }

    /// <summary>
    /// The hypervisor to test on: its session or name. Left out, the appliance's settings say it, or else it is the
    /// point's own hypervisor, or the only connected one that can.
    /// </summary>
    [Parameter]
    [HypervisorReference]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(HypervisorCompleter))]
    public string? TestBench { get; set; }

    /// <summary>
    /// The absolute path of an OVA, or of an image (raw, qcow2, VMDK, VHDX or VHD), that gives the system disk of a
    /// point that holds the data disk alone. Said here it takes the place of a system disk in the point, too; kept as a
    /// setting it does not.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SystemImage { get; set; }

    /// <summary>
    /// The network that leads nowhere, as the test bench calls it. QEMU needs none and takes none; with 'restricted'
    /// the guest's SSH port can be reached from this machine alone.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [ArgumentCompleter(typeof(NetworkCompleter))]
    public string? IsolatedNetwork { get; set; }

    /// <summary>
    /// Who commands run as in the guest, where the way into it asks for that; a guest agent does not. Left out, the
    /// secret that the appliance's settings name is asked for.
    /// </summary>
    [Parameter]
    [Credential]
    [ValidateNotNull]
    public PSCredential? GuestCredential { get; set; }

    /// <summary>
    /// Returns the secret whose name is in $args[0], as PSCredential. Left out, Get-Secret is called where a setting
    /// names a secret.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public ScriptBlock? SecretResolver { get; set; }

    /// <summary>
    /// The host key of the guest's SSH server: its fingerprint (SHA256:...), as 'ssh-keygen -lf
    /// /etc/ssh/ssh_host_ed25519_key.pub' prints it on the appliance, or the public key itself. With it commands in the
    /// guest go over SSH, as the user of -GuestCredential, and not through a guest agent. A server with another key is
    /// told nothing.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SshHostKey { get; set; }

    /// <summary>
    /// The absolute path of a private key that logs in over SSH instead of a password. The password of -GuestCredential
    /// is then the key's own, empty for a key without one.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string? SshKeyFile { get; set; }

    /// <summary>
    /// The program that checks the data's integrity and ends with 0 when it is whole, and its arguments. Default:
    /// natalia-cli check-integrity.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? IntegrityCommand { get; set; }

    /// <summary>
    /// The program that verifies the appliance's audit log and ends with 0 when it is whole. Default: natalia-cli audit
    /// verify.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? AuditCommand { get; set; }

    /// <summary>
    /// The program that counts the call records of a day and prints one whole number; {day} (yyyy-MM-dd) and {zone} are
    /// filled in. Default: natalia-cli cdr count --day {day} --zone {zone}, which is an assumption.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public string[]? CdrCountCommand { get; set; }

    /// <summary>
    /// The business calendar, for a point without a baseline: a text such as 'zone: Europe/Paris; weekend: Saturday,
    /// Sunday; 2026-12-25; 01-01', a table @{ TimeZone = ...; Weekend = ...; Holidays = ... }, or a file with the text.
    /// A baseline has its day with it. Default: Monday to Friday, UTC, no holidays.
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    [BusinessCalendarArgument]
    public string? BusinessCalendar { get; set; }

    /// <summary>
    /// By how much the count of call records may differ from the baseline, in percent of it: 0 to 100. Default: 0.5.
    /// </summary>
    [Parameter]
    public decimal Tolerance { get; set; } = RestoreTestPlan.DefaultTolerance;

    /// <summary>
    /// How many minutes the restore of the test VM may take: 1 to 1440. Default: 240. One that takes longer is no
    /// evidence.
    /// </summary>
    [Parameter]
    [ValidateRange(1, 1440)]
    public int RestoreTimeoutMinutes { get; set; } = RestoreTestPlan.DefaultRestoreMinutes;

    /// <summary>How many minutes the guest may take until it answers: 1 to 1440. Default: 10.</summary>
    [Parameter]
    [ValidateRange(1, 1440)]
    public int BootTimeoutMinutes { get; set; } = RestoreTestPlan.DefaultBootMinutes;

    /// <summary>How many minutes each command in the guest may take: 1 to 1440. Default: 10.</summary>
    [Parameter]
    [ValidateRange(1, 1440)]
    public int CommandTimeoutMinutes { get; set; } = RestoreTestPlan.DefaultCommandMinutes;

    /// <summary>
    /// Checks of one's own: script blocks, or a table of names and script blocks. Each gets the test as $_ and as
    /// $args[0], runs programs in the guest with $_.Run('/path/program', 'argument'), reads a small file there with
    /// $_.ReadFile('/path/file'), and writes its verdict last: a Boolean, or an object with the property Result
    /// (Passed, Failed, Warning, NotEvidenced).
    /// </summary>
    [Parameter]
    [ValidateNotNullOrEmpty]
    public object[]? Check { get; set; }

    /// <summary>
    /// Keep the VM of a test that does not pass, isolated and marked, for a look at it. The next test of the appliance
    /// on that bench destroys it.
    /// </summary>
    [Parameter]
    public SwitchParameter KeepOnFailure { get; set; }

    /// <summary>
    /// Do not restore: let the VM run from the repository at once. What it writes goes to a file for each disk, of 16
    /// GiB at most, that is gone with it. All else is checked as in any test; how long a restore takes is not measured
    /// (RestoreDuration is empty), so that Measure-NataliaRecovery does not take it for evidence of that. On a test
    /// bench of QEMU, for points of a repository of this product.
    /// </summary>
    [Parameter]
    public SwitchParameter FromRepository { get; set; }

    /// <summary>How many tests run at once: 1 to 64, 2 by default.</summary>
    [Parameter]
    [ValidateRange(1, 64)]
    public int ThrottleLimit { get; set; } = 2;

    /// <summary>
    /// Write one True or False for all tests together instead of their results, and no error for one that did not pass.
    /// True means that there were tests and each passed.
    /// </summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "nothing was tested";

    private static TestJournal Journal { get; } = new(TestJournal.DefaultFolder, TimeProvider.System);

    private protected override async Task BeginAsync(CancellationToken cancellationToken)
    {
        _directory = new ApplianceDirectory(Registry, DeferError, EmitWarning);
        string? calendar = BusinessCalendar is null ? null : await OnPipelineAsync(
            () => BusinessCalendars.Read(SessionState, BusinessCalendar)).ConfigureAwait(false);
        _wishes = new RestoreTestWishes
        {
            TestBench = TestBench,
            SystemImage = SystemImage,
            IsolatedNetwork = IsolatedNetwork,
            Credential = GuestCredential is null ? null : Login(GuestCredential),
            SshHostKey = SshHostKey,
            SshKeyFile = SshKeyFile,
            IntegrityCommand = IntegrityCommand,
            AuditCommand = AuditCommand,
            CdrCountCommand = CdrCountCommand,
            BusinessCalendar = calendar,
            Tolerance = IsBound(nameof(Tolerance)) ? Tolerance : null,
            RestoreTimeoutMinutes = IsBound(nameof(RestoreTimeoutMinutes)) ? RestoreTimeoutMinutes : null,
            BootTimeoutMinutes = IsBound(nameof(BootTimeoutMinutes)) ? BootTimeoutMinutes : null,
            CommandTimeoutMinutes = IsBound(nameof(CommandTimeoutMinutes)) ? CommandTimeoutMinutes : null,
            KeepOnFailure = KeepOnFailure,
            IsFromRepository = FromRepository,
            Checks = CheckScripts.Read(Check, run => OnPipelineAsync(run)),
            ResolveCredential = name =>
                OnPipelineAsync(() => Login(new SecretLookup(InvokeCommand, SecretResolver).Credential(name))),
        };
        await _wishes.CheckAsync(cancellationToken).ConfigureAwait(false);
    }

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        try
        {
            if (References.Clean(RestorePointId) is { Count: > 0 } ids)
                await TakePointsAsync(ids, cancellationToken).ConfigureAwait(false);
            // The newest point in its place would be proved, and not the one that was meant.
            else if (IsBound(nameof(RestorePointId))) throw References.NoPointNamed();
            else await TakeAppliancesAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
        {
            DeferError(e, e.Target);
        }
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<LocatedPoint> points = Rotate
            ? await InTurnAsync(cancellationToken).ConfigureAwait(false)
            : _points;
        var planner = new RestoreTestPlanner(Registry, _wishes, _directory!);
        List<RestoreTestPlan> plans = [];
        foreach (LocatedPoint point in points)
        {
            try
            {
                RestoreTestPlan plan = await planner.PlanAsync(point, cancellationToken).ConfigureAwait(false);
                if (await ShouldProcessAsync($"{point.Point} ({point.Point.RestorePointId})",
                    plan.ServedDisks is null
                        ? $"Restore to an isolated test VM on '{plan.Bench.Name}', check it, and destroy it"
                        : $"Run it from the repository in an isolated test VM on '{plan.Bench.Name}', check it, and "
                            + "destroy it")
                    .ConfigureAwait(false))
                    plans.Add(plan);
                // It is this one's turn. Those after it are for one that cannot be tested: it would be its turn for
                // ever.
                if (Rotate) break;
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, point.Point);
            }
        }
        int passed = await new RestoreTestRound(Journal, new RestoreTestBook(Registry, Evidence), this,
            TimeProvider.System).RunAsync(plans, ThrottleLimit, Quiet, cancellationToken).ConfigureAwait(false);
        if (Quiet) Emit(passed > 0 && passed == plans.Count && !HasErrors);
    }

    private static GuestCredential Login(PSCredential credential) => new(credential.UserName, credential.Password);

    private async Task TakePointsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken)
    {
        if (Rotate)
            throw new NataliaException(ErrorIds.InputRefused, NataliaErrorKind.InvalidArgument,
                "-Rotate chooses the restore point itself: it takes appliances, and no points.", ids[0],
                "Leave -Rotate out, or name appliances.");
        _finder ??= new RestorePointFinder(Registry.Completion, EmitWarning, opensAll: true);
        foreach (string id in ids)
        {
            try
            {
                // Copies in several repositories are the same: one of them is enough.
                IReadOnlyList<LocatedPoint> found = await _finder.FindAsync(RepositoriesToSearch(), id,
                    string.IsNullOrEmpty(ApplianceId) ? null : ApplianceId, cancellationToken).ConfigureAwait(false);
                Take(found[0]);
            }
            catch (NataliaException e) when (!cancellationToken.IsCancellationRequested)
            {
                DeferError(e, id);
            }
        }
    }

    private async Task TakeAppliancesAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<ApplianceSelector> selectors = Wildcards.Selectors(References.Named(Appliance, ApplianceId));
        if (selectors.Count == 0 && (!Rotate || IsBound(nameof(Appliance)) || IsBound(nameof(ApplianceId))))
            throw new NataliaException(ErrorIds.ApplianceNotFound, NataliaErrorKind.InvalidArgument,
                "Which appliance? None was named.", recommendedAction:
                "Name it with -Appliance, pipe it or a restore point in, or let -Rotate choose.");
        _named |= selectors.Count > 0;
        foreach (LocatedPoint point in await new RestoreTestPlanner(Registry, _wishes, _directory!).FindNewestAsync(
            RepositoriesToSearch(), selectors, DeferError, cancellationToken).ConfigureAwait(false))
            Take(point);
    }

    private void Take(LocatedPoint point)
    {
        if (_seen.Add((point.Repository, point.Point.RestorePointId))) _points.Add(point);
    }

    private IReadOnlyList<RepositoryConnection> RepositoriesToSearch() =>
        Registry.RepositoriesWithPoints(Repository is { Length: > 0 } named ? [named] : null, null);

    /// <summary>The points of which the first is to be tested, and in its place the next.</summary>
    private async Task<IReadOnlyList<LocatedPoint>> InTurnAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<LocatedPoint> candidates = _points;
        List<RepositoryConnection> repositories = [.. candidates.Select(p => p.Repository).Distinct()];
        if (!_named)
        {
            // An appliance that was given up, of which points are kept, need not be tested in turn.
            HashSet<string> enrolled = [.. (await _directory!.ListEnrolmentsAsync(repositories,
                cancellationToken).ConfigureAwait(false)).Select(e => e.Settings.ApplianceId)];
            if (enrolled.Count > 0)
                candidates = [.. candidates.Where(p => enrolled.Contains(p.Point.ApplianceId))];
        }
        // What leaves no record is never tested as far as anybody can tell: it would be the same one's turn for ever.
        if (candidates.Count > 1)
        {
            foreach (IGrouping<RepositoryConnection, LocatedPoint> storage in candidates
                .Where(p => !p.Repository.IsOwn && p.Repository.Evidence is null).GroupBy(p => p.Repository))
            {
                DeferError(new NataliaException(ErrorIds.CapabilityMissing, NataliaErrorKind.NotSupported,
                    $"-Rotate leaves out {Plural.Count(storage.Count(), "appliance")} of '{storage.Key.Name}': that "
                    + "keeps no record of restore tests, so that nobody knows whose turn it is.", storage.Key.Name,
                    "Connect it with -EvidenceRepository, or name an appliance without -Rotate."),
                    storage.Key.Session);
            }
            candidates = [.. candidates.Where(p => p.Repository.IsOwn || p.Repository.Evidence is not null)];
        }
        IReadOnlyList<RestoreTest> tests = await new RestoreTestBook(Registry, Evidence).ReadAsync(repositories,
            [.. candidates.Select(p => p.Point.ApplianceId).Distinct()], null, null, DeferError,
            cancellationToken).ConfigureAwait(false);
        if (candidates.Count > 0) return RestoreTestPlanner.InTurn(candidates, tests);
        if (!HasErrors)
            throw new NataliaException(ErrorIds.RestorePointNotFound, NataliaErrorKind.NotFound,
                "There is no restore point to test.", recommendedAction: "Invoke-NataliaBackup makes one.");
        return [];
    }
}
