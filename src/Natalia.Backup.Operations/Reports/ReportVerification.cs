using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Reports.Json;
using Natalia.Backup.Operations.Reports.Signing;

namespace Natalia.Backup.Operations.Reports;

/// <summary>
/// Verifies a signed report from its files alone: nothing is connected, nothing fetched. The certificate is judged as
/// of the time that the signer claims.
/// </summary>
/// <param name="trusted">Certificates that the user trusts besides what the system trusts.</param>
/// <param name="expectedThumbprint">Whose signature it has to be: the SHA-1 or SHA-256 of the certificate in
/// hexadecimal digits; null for anybody's.</param>
/// <param name="clock">Now.</param>
internal sealed class ReportVerification(IReadOnlyCollection<X509Certificate2> trusted, string? expectedThumbprint,
    TimeProvider clock)
{
    /// <summary>Larger than any report; whoever puts more there wants the memory of who verifies.</summary>
    private const long MostJsonBytes = 512L << 20;
    private const long MostSignatureBytes = 1 << 20;

    private readonly List<CheckResult> _checks = [];

    /// <summary>
    /// The checks, always these, in this order: Report, SignatureFile, Signature, Content, Signer, Certificate,
    /// SigningTime, Presentation. One that cannot be made because of an earlier one is Skipped.
    /// </summary>
    internal IReadOnlyList<CheckResult> Execute(ReportPaths paths)
    {
        byte[]? json = Read(paths.Signed, MostJsonBytes, out string? jsonTrouble);
        byte[]? bytes = Read(paths.Signature, MostSignatureBytes, out string? signatureTrouble);
        ReportHead? head = CheckReport(paths, json, jsonTrouble);
        using DetachedSignature? signature = CheckSignatureFile(paths, bytes, signatureTrouble);
        bool isGenuine = CheckSignature(signature);
        bool isWhole = CheckContent(json, head, signature, isGenuine);
        CheckSigner(signature, isGenuine);
        CheckCertificate(signature, isGenuine);
        CheckTime(signature, isGenuine);
        CheckPresentation(paths, isWhole ? head : null);
        return _checks;
    }

    private ReportHead? CheckReport(ReportPaths paths, byte[]? json, string? trouble)
    {
        if (json is null)
        {
            Failed("Report", paths.Signed, trouble == "missing" ? "missing" : "unreadable", "a signed report",
                trouble == "missing" ? "The JSON of the report, which is what was signed, is not there." : trouble!);
            return null;
        }
        try
        {
            ReportHead head = ReportHead.Read(json);
            if (head.Version > ReportJson.Version)
                Add("Report", CheckOutcome.Warning, paths.Signed, $"version {ReportJson.Version}",
                    $"version {head.Version}",
                    "It was written by a newer version; its signature is verified all the same.");
            else Add("Report", CheckOutcome.Passed, paths.Signed, null, $"report {head.ReportId}", null);
            return head;
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            Failed("Report", paths.Signed, "no report", "a signed report", $"The file is no report: {e.Message}");
            return null;
        }
    }

    private DetachedSignature? CheckSignatureFile(ReportPaths paths, byte[]? bytes, string? trouble)
    {
        if (bytes is null)
        {
            Failed("SignatureFile", paths.Signature, trouble == "missing" ? "missing" : "unreadable",
                "a detached CMS signature", trouble == "missing"
                    ? "There is no signature: nothing shows who wrote the report, nor that it is unchanged. "
                        + "Export-NataliaReport -Certificate signs a report when it writes it."
                    : trouble!);
            return null;
        }
        try
        {
            var signature = DetachedSignature.Read(bytes);
            if (signature.Certificate is null)
            {
                signature.Dispose();
                Failed("SignatureFile", paths.Signature, "no certificate", "a detached CMS signature",
                    "The signature does not bring the certificate of its signer.");
                return null;
            }
            Add("SignatureFile", CheckOutcome.Passed, paths.Signature, null, null, null);
            return signature;
        }
        catch (FormatException e)
        {
            Failed("SignatureFile", paths.Signature, "unreadable", "a detached CMS signature", e.Message);
            return null;
        }
    }

    private bool CheckSignature(DetachedSignature? signature)
    {
        if (signature is null) return Skipped("Signature");
        if (signature.IsGenuine())
        {
            Add("Signature", CheckOutcome.Passed, signature.Certificate!.Subject, null, null, null);
            return true;
        }
        Failed("Signature", signature.Certificate!.Subject, "forged", "made with the key of its certificate",
            "The signature was not made with the key of the certificate in it, or was changed since.");
        return false;
    }

    private bool CheckContent(byte[]? json, ReportHead? head, DetachedSignature? signature, bool isGenuine)
    {
        if (json is null || signature is null || !isGenuine) return Skipped("Content");
        if (signature.IsOf(json))
        {
            Add("Content", CheckOutcome.Passed, head?.ReportId, null, null, null);
            return true;
        }
        string? signed = signature.ReportId;
        if (head is not null && signed is not null && signed != head.ReportId)
            Failed("Content", head.ReportId, "signature of another report", $"the signature of report {head.ReportId}",
                $"The signature is that of report {signed}: somebody has put it beside this one.");
        else
            Failed("Content", head?.ReportId, "altered", "as it was signed",
                "The JSON is not what was signed: it was changed since.");
        return false;
    }

    private void CheckSigner(DetachedSignature? signature, bool isGenuine)
    {
        if (signature?.Certificate is not X509Certificate2 certificate || !isGenuine)
        {
            Skipped("Signer");
            return;
        }
        string thumbprint = Thumbprint256(certificate);
        if (expectedThumbprint is null)
        {
            Add("Signer", CheckOutcome.NotEvidenced, certificate.Subject, null, thumbprint,
                "Nobody said whose signature it has to be. Compare the certificate with the one that you know, or name "
                + "it with -ExpectedThumbprint.");
            return;
        }
        string wanted = expectedThumbprint.Replace(":", "").Replace(" ", "");
        if (string.Equals(wanted, thumbprint, StringComparison.OrdinalIgnoreCase)
            || string.Equals(wanted, certificate.Thumbprint, StringComparison.OrdinalIgnoreCase))
            Add("Signer", CheckOutcome.Passed, certificate.Subject, wanted, thumbprint, null);
        else
            Failed("Signer", certificate.Subject, thumbprint, wanted,
                "Another certificate has signed it than the one that was expected.");
    }

    private void CheckCertificate(DetachedSignature? signature, bool isGenuine)
    {
        if (signature?.Certificate is not X509Certificate2 certificate || !isGenuine
            || signature.ClaimedUtc is not DateTime claimed)
        {
            Skipped("Certificate");
            return;
        }
        string validity = $"valid from {FigureText.Time(certificate.NotBefore.ToUniversalTime())} to "
            + FigureText.Time(certificate.NotAfter.ToUniversalTime());
        ChainVerdict chain = CertificateChain.Judge(certificate, signature.Others, trusted, claimed);
        if (!SigningCertificate.MaySign(certificate))
            Failed("Certificate", certificate.Subject, "may not sign", "a certificate that may sign",
                "The key usage of the certificate does not let it sign.");
        else if (chain.Trouble is not null)
            Failed("Certificate", certificate.Subject, chain.Trouble, "trusted, as of the time of signing",
                chain.IsUnknown
                    ? $"The chain ends at '{chain.Anchor}', which this machine does not trust. Where you do, give that "
                        + "certificate as -TrustedCertificate."
                    : $"The certificate is {validity}, and was claimed to have signed at {FigureText.Time(claimed)}.");
        else
            Add("Certificate", CheckOutcome.Passed, certificate.Subject, "trusted, as of the time of signing",
                $"trusted through '{chain.Anchor}'",
                $"It is {validity}"
                + (clock.GetUtcNow().UtcDateTime > certificate.NotAfter.ToUniversalTime()
                    ? ", and has expired since; what counts is the time of signing."
                    : ".")
                + " Revocation was not looked at: nothing is fetched.");
    }

    private void CheckTime(DetachedSignature? signature, bool isGenuine)
    {
        if (signature is null || !isGenuine)
        {
            Skipped("SigningTime");
            return;
        }
        if (signature.ClaimedUtc is not DateTime claimed)
            Failed("SigningTime", null, "missing", "a time", "The signature does not say when it was made.");
        else if (claimed > clock.GetUtcNow().UtcDateTime.AddMinutes(15))
            Failed("SigningTime", null, FigureText.Time(claimed), "a time in the past",
                "It claims to have been made in the future.");
        else
            Add("SigningTime", CheckOutcome.Passed, null, null, FigureText.Time(claimed),
                "This time is the signer's claim; no third party stands for it.");
    }

    private void CheckPresentation(ReportPaths paths, ReportHead? head)
    {
        if (head is null)
        {
            Skipped("Presentation");
            return;
        }
        if (head.Presentation is not ReportPresentation presentation)
        {
            if (paths.Report == paths.Signed)
                Add("Presentation", CheckOutcome.Skipped, null, null, null, "The report is its JSON alone.");
            else
                Failed("Presentation", paths.Report, "not signed", "a file that the signed JSON names",
                    "The report is its JSON alone, which names no other file: nothing shows who wrote this one.");
            return;
        }
        string file = presentation.FileName;
        if (file.Length == 0 || file != Path.GetFileName(file) || file.IndexOfAny(['/', '\\', ':', '\0']) >= 0
            || file is "." or "..")
        {
            Failed("Presentation", file, "not a name", "a file beside the JSON", "It names a file in another folder.");
            return;
        }
        // Who names the page asks for that page, whatever it is called by now.
        string path = paths.Report != paths.Signed
            ? paths.Report
            : Path.Combine(Path.GetDirectoryName(paths.Signed)!, file);
        string? actual = Hash(path);
        if (actual is null)
            Failed("Presentation", path, "missing", presentation.Sha256,
                $"The {presentation.Format} file '{file}' that belongs to the report is not there. Its JSON is.");
        else if (actual == presentation.Sha256)
            Add("Presentation", CheckOutcome.Passed, path, presentation.Sha256, actual, null);
        else
            Failed("Presentation", path, "altered", presentation.Sha256,
                $"The {presentation.Format} file is not the one that was written with the report.");
    }

    private static byte[]? Read(string file, long most, out string? trouble)
    {
        trouble = null;
        try
        {
            if (!File.Exists(file))
            {
                trouble = "missing";
                return null;
            }
            if (new FileInfo(file).Length > most)
            {
                trouble = $"The file is larger than any of its kind ({most} bytes).";
                return null;
            }
            return File.ReadAllBytes(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            trouble = $"The file cannot be read: {e.Message}";
            return null;
        }
    }

    private static string? Hash(string file)
    {
        if (!File.Exists(file)) return null;
        using var sha = SHA256.Create();
        try
        {
            using FileStream stream = File.OpenRead(file);
            return Hex.ToString(sha.ComputeHash(stream));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return $"unreadable: {e.Message}";
        }
    }

    private static string Thumbprint256(X509Certificate2 certificate)
    {
        using var sha = SHA256.Create();
        return Hex.ToString(sha.ComputeHash(certificate.RawData));
    }

    private bool Skipped(string name)
    {
        Add(name, CheckOutcome.Skipped, null, null, null, "What it needs is not there, or is not genuine.");
        return false;
    }

    private void Failed(string name, string? target, string actual, string expected, string detail) =>
        _checks.Add(new CheckResult
        {
            Name = name,
            Result = CheckOutcome.Failed,
            Target = target,
            Expected = expected,
            Actual = actual,
            Detail = detail,
            ErrorId = ErrorIds.ReportNotProved,
        });

    private void Add(string name, CheckOutcome result, string? target, string? expected, string? actual,
        string? detail) =>
        _checks.Add(new CheckResult
        {
            Name = name,
            Result = result,
            Target = target,
            Expected = expected,
            Actual = actual,
            Detail = detail,
        });
}
