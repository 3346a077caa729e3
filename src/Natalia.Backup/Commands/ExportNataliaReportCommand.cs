using System.Management.Automation;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Recovery;
using Natalia.Backup.Operations.Reports;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.RestoreTests;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Writes what is known of how well appliances are protected to one file.</summary>
/// <remarks>
/// <para>It tells what Measure-NataliaRecovery measures, with the records that it rests on. Html is one page for
/// people: the worst thing first, then every appliance with its objectives, gaps, restore points, sizes and restore
/// tests. It has no script and fetches nothing, so that it can be mailed and opened anywhere. Json is for programs, Csv
/// for a spreadsheet, OpenMetrics for monitoring. docs/report.md in the module's folder describes
/// all four.</para>
/// <para>The headline counts the worst case: what nobody has tested is not met, and what could not be read is told. All
/// times are UTC.</para>
/// <para>As with Set-Content a file of that name is replaced, unless it is read-only; unlike there its name never shows
/// half a report. The folder must be there.</para>
/// <para>With -Certificate the report's JSON is written beside it and signed: x.html, x.json and x.json.p7s, a detached
/// CMS signature. The JSON holds the SHA-256 of the page. The time in the signature is that of this machine's clock:
/// the signer's claim. Test-NataliaReport verifies it, also years later and without a connection.</para>
/// </remarks>
/// <example>
/// <code>Export-NataliaReport -Path D:\reports\natalia.html</code>
/// <para>Reports the last quarter of all appliances of the connected repositories.</para>
/// </example>
/// <example>
/// <code>$certificate = Get-ChildItem Cert:\CurrentUser\My | Where-Object Subject -eq 'CN=Backup audit' | Select-Object -First 1
/// $report = Export-NataliaReport -Path "D:\reports\$(Get-Date -Format yyyy-MM).html" -PeriodDays 92 -Certificate $certificate
/// if ($report.Verdict -ne 'Met') { $report.Headline }</code>
/// <para>The quarterly report for the auditor, signed; and its headline where not everything is met.</para>
/// </example>
/// <example>
/// <code>Get-NataliaRestoreTest -Appliance natalia-paris | Select-Object -First 1 | Export-NataliaReport -Path ./test.html -Certificate $certificate</code>
/// <para>A signed report of the newest restore test alone.</para>
/// </example>
/// <example>
/// <code>Export-NataliaReport -Path /var/lib/prometheus/node-exporter/natalia.prom -Format OpenMetrics</code>
/// <para>Gauges for the collector of text files of Prometheus' node exporter.</para>
/// </example>
[Cmdlet(VerbsData.Export, "NataliaReport", DefaultParameterSetName = FleetSet, SupportsShouldProcess = true,
    ConfirmImpact = ConfirmImpact.Low)]
[OutputType(typeof(ReportFile))]
public sealed class ExportNataliaReportCommand : EvidenceCommand
{
    private const string FleetSet = "Fleet";
    private const string AfterSet = "After";
    private const string TestSet = "RestoreTest";

    private readonly List<string> _tests = [];

    /// <summary>
    /// The file to write. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken literally. One that
    /// is there is replaced.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0)]
    [ValidateNotNullOrEmpty]
    public string Path { get; set; } = "";

    /// <summary>
    /// What it is written as: Html, Json, Csv or OpenMetrics. Left out, the end of the file's name tells: .json, .csv,
    /// .prom for OpenMetrics; any other is Html.
    /// </summary>
    [Parameter]
    public ReportFormat Format { get; set; }

    /// <summary>
    /// The appliances: objects of Get-NataliaAppliance, names or wildcards. Left out, every appliance of the
    /// repositories.
    /// </summary>
    [Parameter(ParameterSetName = FleetSet)]
    [Parameter(ParameterSetName = AfterSet)]
    [Alias("VMName", "ApplianceName")]
    [ApplianceReference]
    [SupportsWildcards]
    [ArgumentCompleter(typeof(ApplianceCompleter))]
    public string[]? Appliance { get; set; }

    /// <summary>The appliance's id. Bound from appliances and restore points that are piped in.</summary>
    [Parameter(ParameterSetName = FleetSet, ValueFromPipelineByPropertyName = true)]
    [Parameter(ParameterSetName = AfterSet, ValueFromPipelineByPropertyName = true)]
    [ArgumentCompleter(typeof(ApplianceIdCompleter))]
    public string? ApplianceId { get; set; }

    /// <summary>Where the period begins; it ends now. A time without a zone is local time.</summary>
    [Parameter(Mandatory = true, ParameterSetName = AfterSet)]
    [Alias("Since")]
    public DateTime After { get; set; }

    /// <summary>How many days the period has; it ends now. 92, a quarter, by default.</summary>
    [Parameter(ParameterSetName = FleetSet)]
    [Alias("Period")]
    [ValidateRange(1, 36500)]
    public int PeriodDays { get; set; } = EvidenceWishes.DefaultDays;

    /// <summary>
    /// Report this restore test alone: its id, 32 hexadecimal digits. Bound from restore tests that are piped in.
    /// </summary>
    [Parameter(Mandatory = true, ParameterSetName = TestSet, ValueFromPipelineByPropertyName = true)]
    [ValidateNotNullOrEmpty]
    public string RestoreTestId { get; set; } = "";

    /// <summary>
    /// Sign with this certificate, as with Set-AuthenticodeSignature: one with an RSA or ECDSA key that is valid now,
    /// and whose private key this user may use.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public X509Certificate2? Certificate { get; set; }

    /// <summary>Replace a file that is read-only.</summary>
    [Parameter]
    public SwitchParameter Force { get; set; }

    private protected override string MissedWithoutInput => "no report was written";

    private protected override bool TryCollect()
    {
        if (ParameterSetName == TestSet) _tests.Add(RestoreTestId.Trim());
        else Collect(ApplianceId);
        return true;
    }

    private protected override async Task EndAsync(CancellationToken cancellationToken)
    {
        // What a pipeline was to bring and did not is an error already, and no report of everything instead.
        if (MyInvocation.ExpectingInput && !HasCollected && _tests.Count == 0) return;
        string file = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, Path)).ConfigureAwait(false);
        if (!IsBound(nameof(Format))) Format = ReportPaths.FormatOf(file);
        ReportPaths paths = ReportPaths.For(file, Format);
        ReportExporter.EnsureWritable(paths, Certificate, Force);
        Report report = ParameterSetName == TestSet
            ? await ReadTestAsync(cancellationToken).ConfigureAwait(false)
            : await MeasureAsync(cancellationToken).ConfigureAwait(false);
        string written = Certificate is null ? file : $"{file}, {paths.Signed} and {paths.Signature}";
        if (!await ShouldProcessAsync(written, "Write the report").ConfigureAwait(false)) return;
        Emit(ReportExporter.Write(report, paths, Format, Certificate, Force));
    }

    private async Task<Report> MeasureAsync(CancellationToken cancellationToken)
    {
        DateTime now = TimeProvider.System.GetUtcNow().UtcDateTime;
        EvidenceWishes wishes = Wishes(Appliance,
            ParameterSetName == AfterSet ? After.ToUniversalTime() : now.AddDays(-PeriodDays));
        List<string> troubles = [.. wishes.Away];
        List<ApplianceEvidence> appliances = [];
        Dictionary<string, EvidenceFigures> figures = new(StringComparer.Ordinal);
        using ProgressReporter progress = StartProgress("Collecting the evidence for a report");
        await foreach (ApplianceEvidence evidence in new EvidenceCollector(Registry, TimeProvider.System, Fail,
            EmitWarning, progress).CollectAsync(wishes, cancellationToken).ConfigureAwait(false))
        {
            figures[evidence.ApplianceId] = EvidenceFigures.Of(evidence);
            appliances.Add(EvidenceFigures.Reduce(evidence));
        }
        return New(now) with
        {
            SinceUtc = wishes.SinceUtc,
            Appliances = [.. appliances.OrderBy(a => a.ApplianceName, StringComparer.OrdinalIgnoreCase)
                .ThenBy(a => a.ApplianceId, StringComparer.Ordinal)],
            Figures = figures,
            // What concerns some appliances alone stands there.
            Troubles = [.. troubles.Distinct().Where(t => appliances.All(a => a.Troubles.Contains(t))
                || !appliances.Exists(a => a.Troubles.Contains(t)))],
        };

        // Told as an error, and in the report, which goes to people who do not see the errors.
        void Fail(Exception failure, object? target)
        {
            lock (troubles) troubles.Add(failure.Message);
            DeferError(failure, target);
        }
    }

    private async Task<Report> ReadTestAsync(CancellationToken cancellationToken)
    {
        if (_tests.Distinct(StringComparer.OrdinalIgnoreCase).Count() > 1)
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.InvalidArgument,
                "Several restore tests were given, and one file for them.", Path,
                "Take one of them, as with Select-Object -First 1, or write a report for each in a ForEach-Object.");
        IReadOnlyList<RestoreTest> tests = await new RestoreTestBook(Registry, Evidence).ReadAsync(
            Registry.Repositories.ForReading(References.Clean(Repository)), null, null, null, DeferError,
            cancellationToken).ConfigureAwait(false);
        RestoreTest test = tests.FirstOrDefault(t => string.Equals(t.RestoreTestId, _tests[0],
            StringComparison.OrdinalIgnoreCase))
            ?? throw new NataliaException(ErrorIds.RestoreTestNotFound, NataliaErrorKind.NotFound,
                $"No log of the connected repositories tells of a restore test '{_tests[0]}'.", _tests[0],
                "Get-NataliaRestoreTest lists them.");
        return New(TimeProvider.System.GetUtcNow().UtcDateTime) with { Test = test };
    }

    private static Report New(DateTime now) => new()
    {
        ReportId = Guid.NewGuid().ToString("n"),
        GeneratedUtc = now,
        Tool = Report.ThisTool,
    };
}
