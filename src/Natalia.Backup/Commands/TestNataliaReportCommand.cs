using System.Management.Automation;
using System.Security.Cryptography.X509Certificates;
using Natalia.Backup.Arguments;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Reports;
using Natalia.Backup.Pipeline;

namespace Natalia.Backup.Commands;

/// <summary>Proves that a signed report is what its signer wrote, without a connection.</summary>
/// <remarks>
/// <para>Export-NataliaReport -Certificate writes three files: the report, its JSON, and a detached signature of that.
/// Name any of them. The checks are Report (the JSON is there), SignatureFile, Signature (made with the key of its
/// certificate), Content (the JSON is what was signed), Signer (-ExpectedThumbprint), Certificate (its chain),
/// SigningTime, and Presentation (the page is the one that was written with the JSON).</para>
/// <para>The certificate is judged as of the time of signing, so that one that has expired since still proves what it
/// signed. That time is the signer's claim: whoever has the key can claim another one. Nothing is fetched, and
/// revocation is not looked at.</para>
/// <para>Name the signer: without -ExpectedThumbprint, Signer is NotEvidenced, and any certificate that this machine
/// trusts passes. What failed says in Actual what it is: altered, missing, forged, signature of another report, not
/// trusted here, not valid at the time of signing. The results are written first; when one of them is Failed, the error
/// ReportNotProved follows at the end.</para>
/// </remarks>
/// <example>
/// <code>Test-NataliaReport D:\reports\2026-09.html -ExpectedThumbprint $thumbprint</code>
/// <para>Verifies a page, its JSON and its signature.</para>
/// </example>
/// <example>
/// <code>Get-ChildItem D:\reports -Filter *.p7s | Test-NataliaReport -TrustedCertificate (Get-PfxCertificate ./root.cer) | Where-Object Result -eq Failed</code>
/// <para>Shows what is wrong with any of the reports of a folder, years later, on a machine that does not know their
/// authority.</para>
/// </example>
[Cmdlet(VerbsDiagnostic.Test, "NataliaReport")]
[OutputType(typeof(CheckResult), typeof(bool))]
public sealed class TestNataliaReportCommand : NataliaCommand
{
    private readonly Verdict _verdict = new();

    /// <summary>
    /// The report, its JSON or its signature. Relative paths, ~ and PowerShell drives are welcome; wildcards are taken
    /// literally. Bound from files that are piped in.
    /// </summary>
    [Parameter(Mandatory = true, Position = 0, ValueFromPipeline = true, ValueFromPipelineByPropertyName = true)]
    [Alias("FullName", "PSPath")]
    [ValidateNotNullOrEmpty]
    public string[] Path { get; set; } = [];

    /// <summary>
    /// Whose signature it has to be: the thumbprint of the certificate, SHA-1 (40 hexadecimal digits) or SHA-256 (64).
    /// </summary>
    [Parameter]
    [ValidatePattern("^\\s*([0-9A-Fa-f]{2}[: ]?){20}(([0-9A-Fa-f]{2}[: ]?){12})?\\s*$")]
    public string? ExpectedThumbprint { get; set; }

    /// <summary>
    /// Certificates to trust besides those that this machine trusts: the authority's, or a self-signed one of the
    /// signer.
    /// </summary>
    [Parameter]
    [ValidateNotNull]
    public X509Certificate2[] TrustedCertificate { get; set; } = [];

    /// <summary>Write one True or False for all reports together instead of the results, and no error.</summary>
    [Parameter]
    public SwitchParameter Quiet { get; set; }

    private protected override string MissedWithoutInput => "no report was verified";

    private protected override async Task ProcessAsync(CancellationToken cancellationToken)
    {
        foreach (string written in Path)
        {
            string file = await OnPipelineAsync(() => FilePaths.Resolve(SessionState, written)).ConfigureAwait(false);
            var paths = ReportPaths.Find(file);
            if (!paths.AnyExists)
            {
                if (Quiet) _verdict.Add(false);
                else DeferError(new NataliaException(ErrorIds.ReportNotFound, NataliaErrorKind.NotFound,
                    $"There is no file '{file}'.", file, "Check the path of the report."), file);
                continue;
            }
            IReadOnlyList<CheckResult> checks = new ReportVerification(TrustedCertificate, ExpectedThumbprint,
                TimeProvider.System).Execute(paths);
            List<CheckResult> failed = [.. checks.Where(c => c.Result == CheckOutcome.Failed)];
            if (Quiet)
            {
                _verdict.Add(failed.Count == 0);
                continue;
            }
            EmitAll(checks);
            if (failed.Count > 0)
                DeferError(new NataliaException(ErrorIds.ReportNotProved, NataliaErrorKind.Security,
                    $"The report '{file}' is not proved ({failed[0].Name}: {failed[0].Actual}). {failed[0].Detail}",
                    file,
                    Advice(failed)), file);
        }
    }

    private static string Advice(List<CheckResult> failed) =>
        // A report that was cut short has a signature beside it still.
        failed[0] is { Name: "Report", Actual: "no report" } && failed.Exists(IsSignatureMissing)
            ? "Name a report that Export-NataliaReport -Certificate wrote: the page, its JSON or its signature."
        : failed.Exists(IsSignatureMissing)
            ? "What is no report, or was never signed, cannot be proved: Export-NataliaReport -Certificate "
                + "(Get-PfxCertificate ./signing.pfx) writes a report with its JSON and its signature. Of one that was "
                + "signed, ask its signer for all three files."
        : failed[0].Name switch
        {
            "Signer" => "Ask for the report of the signer that is expected, or correct -ExpectedThumbprint.",
            "Certificate" => "Where you know the authority, give its certificate as -TrustedCertificate.",
            "SigningTime" => "Have the report signed again, with a certificate that is valid.",
            _ => "Ask its signer for the files as they were written.",
        };

    private static bool IsSignatureMissing(CheckResult check) =>
        check is { Name: "SignatureFile", Actual: "missing" };

    private protected override Task EndAsync(CancellationToken cancellationToken)
    {
        if (Quiet) Emit(_verdict.IsGood && !HasErrors);
        return Task.CompletedTask;
    }
}
