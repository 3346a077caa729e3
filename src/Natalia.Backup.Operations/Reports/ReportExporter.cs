using System.Security.Cryptography.X509Certificates;
using System.Text;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Operations.Reports.Csv;
using Natalia.Backup.Operations.Reports.Html;
using Natalia.Backup.Operations.Reports.Json;
using Natalia.Backup.Operations.Reports.Metrics;
using Natalia.Backup.Operations.Reports.Signing;

namespace Natalia.Backup.Operations.Reports;

/// <summary>Writes a report, and signs it where that is asked for.</summary>
internal static class ReportExporter
{
    private static readonly UTF8Encoding s_plain = new(encoderShouldEmitUTF8Identifier: false);
    private static readonly UTF8Encoding s_marked = new(encoderShouldEmitUTF8Identifier: true);

    /// <summary>Refuses early what the writing would refuse late.</summary>
    /// <exception cref="NataliaException"><c>DestinationExists</c>, <c>DestinationWriteFailed</c>,
    /// <c>CertificateUnusable</c>.</exception>
    internal static void EnsureWritable(ReportPaths paths, X509Certificate2? certificate, bool force)
    {
        ReportDestination.EnsureWritable(paths.Report, force);
        if (certificate is null) return;
        SigningCertificate.EnsureUsable(certificate, TimeProvider.System.GetUtcNow().UtcDateTime);
        ReportDestination.EnsureWritable(paths.Signed, force);
        if (paths.Signed != paths.Report) EnsureReport(paths.Signed);
        ReportDestination.EnsureWritable(paths.Signature, force);
    }

    /// <summary>
    /// Writes the files: the report, then its JSON, then the signature. Each is whole or not there; when one fails,
    /// those before it are there.
    /// </summary>
    /// <param name="report">What it tells.</param>
    /// <param name="paths">Where.</param>
    /// <param name="format">As what.</param>
    /// <param name="certificate">Who signs; null for nobody.</param>
    /// <param name="force">Replace files that are read-only.</param>
    /// <exception cref="NataliaException"><c>DestinationWriteFailed</c>, <c>CertificateUnusable</c>.</exception>
    internal static ReportFile Write(Report report, ReportPaths paths, ReportFormat format,
        X509Certificate2? certificate, bool force)
    {
        if (certificate is not null)
        {
            SigningCertificate.EnsureUsable(certificate, report.GeneratedUtc);
            report = report with { Signer = certificate.Subject };
        }
        ReportHeadline headline = ReportHeadline.Of(report);
        (long size, string sha256) = (0, "");
        if (format != ReportFormat.Json)
            (size, sha256) = ReportDestination.Write(paths.Report, force, s => WriteText(report, format, s));
        else if (certificate is null)
            (size, sha256) = ReportDestination.Write(paths.Report, force, s => ReportJson.Write(report, null, s));
        if (certificate is not null)
        {
            byte[] json = Canonical(report, format, paths, sha256);
            byte[] signature = ReportSigner.Sign(json, report.ReportId, certificate, report.GeneratedUtc);
            (long jsonSize, string jsonSha256) =
                ReportDestination.Write(paths.Signed, force, s => s.Write(json, 0, json.Length));
            ReportDestination.Write(paths.Signature, force, s => s.Write(signature, 0, signature.Length));
            if (format == ReportFormat.Json) (size, sha256) = (jsonSize, jsonSha256);
        }
        return new ReportFile
        {
            Path = paths.Report,
            Format = format,
            SizeBytes = size,
            Sha256 = sha256,
            ReportId = report.ReportId,
            GeneratedUtc = report.GeneratedUtc,
            Verdict = headline.Verdict,
            Headline = headline.Text,
            ApplianceCount = report.Test is null ? report.Appliances.Count : 1,
            MetCount = headline.MetCount,
            MissedCount = headline.MissedCount,
            NotEvidencedCount = headline.NotEvidencedCount,
            SignedPath = certificate is null ? null : paths.Signed,
            SignaturePath = certificate is null ? null : paths.Signature,
        };
    }

    /// <summary>The name of the JSON is one that nobody gave: what has it already is replaced only if it is a report.
    /// </summary>
    private static void EnsureReport(string file)
    {
        if (!File.Exists(file)) return;
        byte[] wanted = Encoding.ASCII.GetBytes("{\"schema\":\"" + ReportJson.Schema + "\"");
        var found = new byte[wanted.Length];
        try
        {
            using FileStream stream = File.OpenRead(file);
            int count = 0;
            while (count < found.Length)
            {
                int read = stream.Read(found, count, found.Length - count);
                if (read == 0) break;
                count += read;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.DestinationWriteFailed, NataliaErrorKind.PermissionDenied,
                $"The file '{file}' is in the way, and cannot be read: {e.Message}", file, "Name the report otherwise.",
                e);
        }
        if (!found.SequenceEqual(wanted))
            throw new NataliaException(ErrorIds.DestinationExists, NataliaErrorKind.AlreadyExists,
                $"The file '{file}' is no report, and would be replaced by the JSON that is signed.", file,
                "Name the report otherwise.");
    }

    private static byte[] Canonical(Report report, ReportFormat format, ReportPaths paths, string sha256)
    {
        using var memory = new MemoryStream();
        ReportJson.Write(report, format == ReportFormat.Json
            ? null
            : new ReportPresentation(Path.GetFileName(paths.Report), format.ToString(), sha256), memory);
        return memory.ToArray();
    }

    private static void WriteText(Report report, ReportFormat format, Stream stream)
    {
        // Excel, and Import-Csv of Windows PowerShell, take a file without a mark for one in an old code page.
        using var writer = new StreamWriter(stream, format == ReportFormat.Csv ? s_marked : s_plain, 65536,
            leaveOpen: true)
        { NewLine = "\n" };
        switch (format)
        {
            case ReportFormat.Csv:
                CsvReport.Write(report, writer);
                break;
            case ReportFormat.OpenMetrics:
                MetricsReport.Write(report, writer);
                break;
            default:
                HtmlReport.Write(report, writer);
                break;
        }
    }
}
