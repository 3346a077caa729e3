using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Operations.Reports;
using Natalia.Backup.Operations.Reports.Content;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Cmdlets.Tests.Reports;

public sealed class SignedReportTests : IDisposable
{
    private static readonly DateTime s_now = SampleReport.Now;
    private static readonly string[] s_names = ["Report", "SignatureFile", "Signature", "Content", "Signer",
        "Certificate", "SigningTime", "Presentation"];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("rsa")]
    [InlineData("p256")]
    [InlineData("p384")]
    [InlineData("p521")]
    public void A_signed_report_is_proved_years_later_when_its_certificate_has_expired(string kind)
    {
        using SigningIdentity identity = Identity(kind);
        ReportFile file = Export("x.html", ReportFormat.Html, identity);
        Assert.Equal([_folder["x.html"], _folder["x.json"], _folder["x.json.p7s"]],
            [file.Path, file.SignedPath!, file.SignaturePath!]);

        IReadOnlyList<CheckResult> checks = Verify("x.html", identity, s_now.AddYears(6));

        Assert.Equal(s_names, checks.Select(c => c.Name));
        Assert.All(checks, c => Assert.Equal(CheckOutcome.Passed, c.Result));
        Assert.Contains("expired since", Check(checks, "Certificate").Detail, StringComparison.Ordinal);
        Assert.Contains("signer's claim", Check(checks, "SigningTime").Detail, StringComparison.Ordinal);
        Assert.Equal("2026-11-29 06:30 UTC", Check(checks, "SigningTime").Actual);
    }

    [Theory]
    [InlineData(ReportFormat.Html, "r.html", "r.html", "r.json")]
    [InlineData(ReportFormat.Json, "r.json", "r.json", "r.json")]
    [InlineData(ReportFormat.Json, "r", "r", "r")]
    [InlineData(ReportFormat.Json, "r.v1.txt", "r.v1.txt.p7s", "r.v1.txt")]
    [InlineData(ReportFormat.Csv, "r.csv", "r.json.p7s", "r.json")]
    [InlineData(ReportFormat.OpenMetrics, "r.prom", "r.json", "r.json")]
    [InlineData(ReportFormat.Html, "r.json", "r.json", "r.json.json")]
    public void Every_format_can_be_signed_and_found_by_any_of_its_names(ReportFormat format, string name, string asked,
        string signed)
    {
        using SigningIdentity identity = Identity("p256");
        Assert.Equal(_folder[signed], Export(name, format, identity).SignedPath);

        IReadOnlyList<CheckResult> checks = Verify(asked, identity, s_now.AddDays(1));

        Assert.DoesNotContain(checks, c => c.Result == CheckOutcome.Failed);
        Assert.Equal(format == ReportFormat.Json ? CheckOutcome.Skipped : CheckOutcome.Passed,
            Check(checks, "Presentation").Result);
    }

    [Fact]
    public void Each_forgery_has_its_own_verdict()
    {
        using SigningIdentity identity = Identity("rsa"), other = Identity("p256");
        Export("x.html", ReportFormat.Html, identity);
        Export("y.html", ReportFormat.Html, identity, "00000000000000000000000000000002");
        Export("z.html", ReportFormat.Html, other);
        string json = _folder["x.json"], page = _folder["x.html"], signature = _folder["x.json.p7s"];
        byte[] goodJson = File.ReadAllBytes(json), goodPage = File.ReadAllBytes(page),
            goodSignature = File.ReadAllBytes(signature);

        File.WriteAllText(json, Encoding.UTF8.GetString(goodJson).Replace("Missed", "Met", StringComparison.Ordinal));
        AssertFails("Content", "altered");

        File.WriteAllBytes(json, goodJson);
        File.Copy(_folder["y.json.p7s"], signature, overwrite: true);
        AssertFails("Content", "signature of another report");

        File.Copy(_folder["z.json.p7s"], signature, overwrite: true);
        AssertFails("Signer", other.Thumbprint.ToLowerInvariant());

        File.WriteAllBytes(signature, goodSignature);
        File.WriteAllText(page, Encoding.UTF8.GetString(goodPage).Replace("Missed", "Met", StringComparison.Ordinal));
        AssertFails("Presentation", "altered");

        File.Delete(page);
        AssertFails("Presentation", "missing", "x.json");

        File.WriteAllBytes(page, goodPage);
        byte[] broken = [.. goodSignature];
        broken[^10] ^= 1;
        File.WriteAllBytes(signature, broken);
        AssertFails("Signature", "forged");

        File.WriteAllText(signature, "no signature");
        AssertFails("SignatureFile", "unreadable");

        File.Delete(signature);
        AssertFails("SignatureFile", "missing", "x.json");

        File.WriteAllBytes(signature, goodSignature);
        File.WriteAllText(json, "{\"schema\":\"other\"}");
        AssertFails("Report", "no report");

        File.Delete(json);
        AssertFails("Report", "missing");

        void AssertFails(string name, string actual, string asked = "x.html")
        {
            CheckResult check = Check(Verify(asked, identity, s_now.AddDays(1)), name);
            Assert.Equal((CheckOutcome.Failed, actual, ErrorIds.ReportNotProved),
                (check.Result, check.Actual, check.ErrorId));
        }
    }

    [Fact]
    public void A_page_beside_a_report_that_is_its_json_alone_is_not_proved()
    {
        using SigningIdentity identity = Identity("p256");
        Export("x.json", ReportFormat.Json, identity);
        File.WriteAllText(_folder["x.html"], "<h1>3 of 3 appliances meet every objective.</h1>");

        CheckResult check = Check(Verify("x.html", identity, s_now.AddDays(1)), "Presentation");

        Assert.Equal((CheckOutcome.Failed, "not signed"), (check.Result, check.Actual));
    }

    [Theory]
    [InlineData("{\"mine\":1}", false)]
    [InlineData("", false)]
    [InlineData("{\"schema\":\"natalia-report\",\"version\":1}", true)]
    public void The_json_whose_name_nobody_gave_replaces_nothing_but_a_report(string there, bool isReplaced)
    {
        using SigningIdentity identity = SigningIdentity.Create("p256", DateTime.UtcNow.AddDays(-2),
            DateTime.UtcNow.AddYears(1));
        File.WriteAllText(_folder["x.json"], there);
        var paths = ReportPaths.For(_folder["x.html"], ReportFormat.Html);

        Exception? refused = Record.Exception(() => ReportExporter.EnsureWritable(paths, identity.Own, force: true));

        Assert.Equal(isReplaced ? null : ErrorIds.DestinationExists, (refused as NataliaException)?.ErrorId);
        // Who gives the name means the file.
        ReportExporter.EnsureWritable(ReportPaths.For(_folder["x.json"], ReportFormat.Json), identity.Own,
            force: false);
    }

    [Fact]
    public void No_damaged_byte_of_a_signature_is_more_than_a_verdict()
    {
        using SigningIdentity identity = Identity("p256");
        Export("x.json", ReportFormat.Json, identity);
        byte[] good = File.ReadAllBytes(_folder["x.json.p7s"]);
        for (int i = 0; i < good.Length; i += 3)
        {
            byte[] bad = [.. good];
            bad[i] ^= (byte)(1 << (i % 8));
            File.WriteAllBytes(_folder["x.json.p7s"], bad);
            // What is outside the signer's part (other certificates, tags that mean the same) may still be proved.
            Assert.Equal(s_names, Verify("x.json", identity, s_now.AddDays(1)).Select(c => c.Name));
        }
    }

    [Fact]
    public void A_chain_that_this_machine_does_not_know_is_not_trusted_and_a_time_outside_is_told()
    {
        using SigningIdentity identity = Identity("p256"), brief = SigningIdentity.Create("p256", s_now.AddDays(-2),
            s_now.AddHours(1));
        Export("x.json", ReportFormat.Json, identity);
        var unknown = new ReportVerification([], null, new FakeTimeProvider(s_now.AddDays(1)));
        IReadOnlyList<CheckResult> checks = unknown.Execute(ReportPaths.Find(_folder["x.json"]));
        Assert.Equal("not trusted here", Check(checks, "Certificate").Actual);
        Assert.Equal(CheckOutcome.NotEvidenced, Check(checks, "Signer").Result);

        // The signer's clock was put forward: at that time the certificate was none any more.
        byte[] json = "{\"schema\":\"natalia-report\",\"version\":1,\"reportId\":\"a\"}"u8.ToArray();
        byte[] signature = Operations.Reports.Signing.ReportSigner.Sign(json, "a", brief.Own, s_now);
        File.WriteAllBytes(_folder["b.json"], json);
        File.WriteAllBytes(_folder["b.json.p7s"], signature);
        var early = new ReportVerification([brief.Root], null, new FakeTimeProvider(s_now.AddDays(-1)));
        checks = early.Execute(ReportPaths.Find(_folder["b.json"]));
        Assert.Equal(CheckOutcome.Failed, Check(checks, "SigningTime").Result);
    }

    [Fact]
    public void A_certificate_that_cannot_sign_is_refused_before_anything_is_written()
    {
        using SigningIdentity expired = SigningIdentity.Create("rsa", s_now.AddYears(-2), s_now.AddYears(-1)),
            future = SigningIdentity.Create("rsa", s_now.AddYears(1), s_now.AddYears(2)),
            wrongUse = SigningIdentity.Create("rsa", s_now.AddDays(-1), s_now.AddYears(1),
                X509KeyUsageFlags.KeyEncipherment),
            good = Identity("rsa");
        using X509Certificate2 withoutKey = X509CertificateLoader.LoadCertificate(good.Own.RawData);
        foreach (X509Certificate2 certificate in new[] { expired.Own, future.Own, wrongUse.Own, withoutKey })
        {
            NataliaException refused = Assert.Throws<NataliaException>(() => ReportExporter.Write(SampleReport.Usual(),
                ReportPaths.For(_folder["x.html"], ReportFormat.Html), ReportFormat.Html, certificate, force: false));
            Assert.Equal(ErrorIds.CertificateUnusable, refused.ErrorId);
        }
        Assert.Empty(_folder.Files);
    }

    [ChromiumFact]
    public void OpenSSL_verifies_the_same_signature()
    {
        foreach (string kind in (string[])["rsa", "p256", "p384", "p521"])
        {
            using SigningIdentity identity = SigningIdentity.Create(kind, DateTime.UtcNow.AddDays(-2),
                DateTime.UtcNow.AddYears(1));
            ReportExporter.Write(SampleReport.Usual() with { GeneratedUtc = DateTime.UtcNow },
                ReportPaths.For(_folder[$"{kind}.json"], ReportFormat.Json), ReportFormat.Json, identity.Own, force: false);
            File.WriteAllText(_folder["root.pem"], identity.Root.ExportCertificatePem());
            string[] arguments = ["-c", "openssl cms -verify -binary -inform DER -in \"$1.p7s\" -content \"$1\" "
                + "-CAfile \"$2\" -purpose any -out /dev/null", "verify", _folder[$"{kind}.json"], _folder["root.pem"]];
            (int code, _, string errors) = Counterpart.Chromium.Run(new Dictionary<string, string?>(), arguments);
            Assert.True(code == 0, $"{kind}: {errors}");
            File.AppendAllText(_folder[$"{kind}.json"], " ");
            Assert.NotEqual(0, Counterpart.Chromium.Run(new Dictionary<string, string?>(), arguments).Code);
        }
    }

    private static SigningIdentity Identity(string kind) =>
        SigningIdentity.Create(kind, s_now.AddDays(-30), s_now.AddYears(1));

    private ReportFile Export(string name, ReportFormat format, SigningIdentity identity, string? id = null)
    {
        Report report = SampleReport.Usual();
        if (id is not null) report = report with { ReportId = id };
        return ReportExporter.Write(report, ReportPaths.For(_folder[name], format), format, identity.Own, force: false);
    }

    private IReadOnlyList<CheckResult> Verify(string name, SigningIdentity identity, DateTime when) =>
        new ReportVerification([identity.Root], identity.Thumbprint, new FakeTimeProvider(when))
            .Execute(ReportPaths.Find(_folder[name]));

    private static CheckResult Check(IReadOnlyList<CheckResult> checks, string name) =>
        checks.Single(c => c.Name == name);
}
