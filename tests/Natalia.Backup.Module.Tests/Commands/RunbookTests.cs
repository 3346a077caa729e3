using System.Net;
using System.Net.Sockets;
using System.Text;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>
/// The runbooks of examples/runbooks, against a folder of VMs. The credentials of an automation account are a function
/// here, with the name and the answer of the real one.
/// </summary>
public sealed class RunbookTests : IDisposable
{
    private const string Assets = """
        function global:Get-AutomationPSCredential([string] $Name) {
            [pscredential]::new('asset', [Net.NetworkCredential]::new('', "correct $Name").SecurePassword)
        }
        """;

    private readonly FolderFixture _fixture = new();

    public RunbookTests() => _fixture.WithRepository("offsite").Run("""
        $null = New-Item -ItemType Directory $args[3]
        $null = Connect-NataliaHypervisor -Folder $args[3] -Name host-2
        $null = New-NataliaRepository -Path $args[0] -Name nas -Password $args[1]
        $null = Set-NataliaAppliance natalia-paris -Repository nas
        $null = Set-NataliaRetention -Repository nas -Last 1 -Confirm:$false
        $null = Set-NataliaRetention -Repository offsite -Last 1 -Confirm:$false
        $null = Export-NataliaProfile $args[2]
        """, _fixture.Full("nas"), FolderFixture.Password("correct natalia-nas"), Profile, Host2).ThrowIfFailed();

    public void Dispose() => _fixture.Dispose();

    private string Profile => _fixture.Full("p.json");

    /// <summary>A second host of VMs, which has none.</summary>
    private string Host2 => _fixture.Full("host-2");

    [Fact]
    public void The_nightly_runbook_backs_up_copies_and_applies_retention_and_fails_when_something_did()
    {
        ScriptResult first = Run("NightlyBackup.ps1", "-CopyTo offsite -Full").ThrowIfFailed();
        Assert.Equal("Everything was done.", first.Text[^1]);
        _fixture.Change("natalia-paris", 70_000);
        Run("NightlyBackup.ps1", "-CopyTo offsite").ThrowIfFailed();
        Assert.Equal((1, 1), (Points("nas"), Points("offsite")));

        // The local backup is made all the same.
        Directory.Move(_fixture.Full("offsite"), _fixture.Full("away"));
        Directory.Delete(Host2);
        _fixture.Change("natalia-paris", 70_100);
        string before = Newest();
        ScriptResult third = Run("NightlyBackup.ps1", "-CopyTo offsite");
        Assert.Contains("not whole", third.TerminatingError?.Exception.Message, StringComparison.Ordinal);
        Assert.Contains("host-2", third.TerminatingError?.Exception.Message, StringComparison.Ordinal);
        Assert.NotEqual(before, Newest());
        // What has no copy yet stays.
        Assert.Equal(2, Points("nas"));
        Assert.Contains(third.Text, t => t.StartsWith("Retention is left out", StringComparison.Ordinal));
    }

    [Fact]
    public void The_heartbeat_tells_a_missing_backup_from_one_that_nobody_can_judge()
    {
        // A job fails by its error.
        ScriptResult never = Run("Heartbeat.ps1", "");
        Assert.True(never.TerminatingError is not null, string.Join("\n", never.Text));
        _fixture.BackUp(more: "-Repository nas");
        // One point says nothing of the days before it, and is no success.
        Assert.Contains("is not known", Run("Heartbeat.ps1", "").TerminatingError?.Exception.Message,
            StringComparison.Ordinal);
        _fixture.Run("$null = Get-NataliaRestorePoint -Repository nas | Test-NataliaRestorePoint").ThrowIfFailed();
        Assert.Equal("OK", Run("Heartbeat.ps1", "-Objective VerificationAge").ThrowIfFailed().Text[^1]);

        // A check of a monitoring system has no assets, and an exit code.
        ScriptResult locked = Run("Heartbeat.ps1", "; $LASTEXITCODE", assets: false).ThrowIfFailed();
        Assert.Equal("3", locked.Text[^1]);
        Assert.Contains(locked.Text, t => t.StartsWith("UNKNOWN", StringComparison.Ordinal));
    }

    [Fact]
    public void The_quarterly_runbook_leaves_its_files_and_a_test_that_was_not_made_is_no_success()
    {
        _fixture.BackUp(more: "-Repository nas");
        ScriptResult result = Run("QuarterlyRestoreTest.ps1", $"-ReportFolder '{_fixture.Full("reports")}'");
        // A folder of VMs starts none.
        Assert.Contains("No connected hypervisor makes test VMs", result.TerminatingError?.Exception.Message,
            StringComparison.Ordinal);
        Assert.Contains(result.Text, t => t.Contains("natalia-paris Rpo: attained"));
        Assert.Single(Directory.GetFiles(_fixture.Full("reports"), "restore-tests-*.json"));
        string report = Directory.GetFiles(_fixture.Full("reports"), "recovery-*.html").Single();
        Assert.Contains("natalia-paris", File.ReadAllText(report), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_happened_goes_to_a_webhook_a_blob_and_by_mail()
    {
        using var smtp = new TcpListener(IPAddress.Loopback, 0);
        smtp.Start();
        using HttpListener http = Listen(out int port);
        Task<List<string>> received = ReceiveAsync(http, 2);
        Task<string> mail = TakeMailAsync(smtp);
        string file = _fixture.Full("a report.json");
        File.WriteAllText(file, "{\"all\":\"is \u00fcber\"}");

        Run("Notify.ps1", $"-Text \"2 \u00e9checs`nwhole `\"text`\"\" -File '{file}' -SmtpServer 127.0.0.1 -SmtpPort "
            + $"{((IPEndPoint)smtp.LocalEndpoint).Port} -From a@example.com -To b@example.com -Webhook "
            + $"http://127.0.0.1:{port}/hook -Blob 'http://127.0.0.1:{port}/box?sig=abc'", profile: false)
            .ThrowIfFailed();

        Assert.Equal(["POST /hook  {\"text\":\"2 \u00e9checs\\nwhole \\\"text\\\"\"}",
            "PUT /box/a%20report.json?sig=abc BlockBlob {\"all\":\"is \u00fcber\"}"], await received);
        string message = await mail;
        Assert.Contains("RCPT TO:<b@example.com>", message, StringComparison.Ordinal);
        Assert.Contains("a report.json", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_password_for_the_mail_server_is_not_sent_without_tls()
    {
        using var smtp = new TcpListener(IPAddress.Loopback, 0);
        smtp.Start();
        ScriptResult refused = Run("Notify.ps1", "-Text x -SmtpServer 127.0.0.1 -SmtpPort "
            + $"{((IPEndPoint)smtp.LocalEndpoint).Port} -From a@example.com -To b@example.com "
            + "-SmtpCredential ([pscredential]::new('a', (ConvertTo-SecureString x -AsPlainText -Force)))",
            profile: false);
        Assert.Contains("-SmtpCredential needs -SmtpTls", refused.TerminatingError?.Exception.Message,
            StringComparison.Ordinal);
        Assert.False(smtp.Pending());
    }

    private ScriptResult Run(string runbook, string arguments, bool assets = true, bool profile = true)
    {
        using var session = new ModuleSession();
        string named = profile ? "-ProfilePath $args[1] " : "";
        return session.Run($"{(assets ? Assets : "")}\n& $args[0] {named}{arguments}",
            Path.Combine(BuildLayout.ModuleRoot, "examples", "runbooks", runbook), Profile);
    }

    private int Points(string repository) =>
        _fixture.Run("Get-NataliaRestorePoint -Repository $args[0]", repository).ThrowIfFailed().Output.Count;

    private string Newest() => _fixture.Run("(Get-NataliaRestorePoint -Repository nas -Latest).RestorePointId")
        .ThrowIfFailed().Text.Single();

    private static HttpListener Listen(out int port)
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            port = ((IPEndPoint)free.LocalEndpoint).Port;
        }
        var listener = new HttpListener { Prefixes = { $"http://127.0.0.1:{port}/" } };
        listener.Start();
        return listener;
    }

    private static async Task<List<string>> ReceiveAsync(HttpListener listener, int count)
    {
        var received = new List<string>();
        while (received.Count < count)
        {
            HttpListenerContext context = await listener.GetContextAsync();
            using var reader = new StreamReader(context.Request.InputStream, Encoding.UTF8);
            received.Add($"{context.Request.HttpMethod} {context.Request.RawUrl} "
                + $"{context.Request.Headers["x-ms-blob-type"]} {await reader.ReadToEndAsync()}");
            context.Response.StatusCode = 201;
            context.Response.Close();
        }
        return received;
    }

    /// <summary>As little of RFC 5321 as a client needs to deliver one mail.</summary>
    private static async Task<string> TakeMailAsync(TcpListener listener)
    {
        using TcpClient client = await listener.AcceptTcpClientAsync();
        using NetworkStream stream = client.GetStream();
        using var reader = new StreamReader(stream, Encoding.ASCII);
        using var writer = new StreamWriter(stream, Encoding.ASCII) { NewLine = "\r\n", AutoFlush = true };
        await writer.WriteLineAsync("220 stand-in");
        var message = new StringBuilder();
        bool isData = false;
        while (await reader.ReadLineAsync() is string line)
        {
            message.AppendLine(line);
            if (isData && line != ".") continue;
            if (line.StartsWith("QUIT", StringComparison.Ordinal)) break;
            isData = line == "DATA";
            await writer.WriteLineAsync(isData ? "354 go on" : "250 ok");
        }
        return message.ToString();
    }
}
