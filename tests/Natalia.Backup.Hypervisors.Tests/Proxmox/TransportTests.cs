using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.ProxmoxSimulator;

namespace Natalia.Backup.Hypervisors.Tests.Proxmox;

public sealed class TransportTests
{
    [Fact]
    public async Task A_password_logs_in_and_a_wrong_one_says_so_without_showing_it()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        Assert.Equal(("Proxmox", "9.2", "root@pam"), (hypervisor.Kind, hypervisor.ServerVersion, hypervisor.User));
        ApiException wrong =
            await Assert.ThrowsAsync<Backup.Hypervisors.Proxmox.Rest.ApiException>(
                () => fixture.ConnectAsync(fixture.Options(secret: "battery staple")));
        Assert.Equal((ErrorIds.AuthenticationFailed, NataliaErrorKind.Authentication), (wrong.ErrorId, wrong.Kind));
        Assert.DoesNotContain("battery", wrong.ToString());
    }

    [Fact]
    public async Task A_user_without_a_realm_is_refused_before_anything_is_sent()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        await ThrowsAsync(ErrorIds.AuthenticationFailed, () => fixture.ConnectAsync(fixture.Options(user: "root")));
        Assert.Empty(fixture.Server.Requests);
    }

    [Fact]
    public async Task A_user_with_an_exclamation_mark_is_a_token()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync(fixture.Options("backup@pve!natalia",
            "11111111-2222-3333-4444-555555555555"));
        Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.All(fixture.Server.Requests, r => Assert.Null(r.Cookie));
        Assert.DoesNotContain(fixture.Server.Requests, r => r.Path == "/access/ticket");
    }

    [Fact]
    public async Task A_wrong_token_is_tried_once()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.AuthenticationFailed,
            () => fixture.ConnectAsync(fixture.Options("backup@pve!natalia", "00000000-2222-3333-4444-555555555555")));
        Assert.DoesNotContain("00000000-2222", error.ToString());
        Assert.Single(fixture.Server.Requests);
    }

    [Fact]
    public async Task A_second_factor_is_asked_for_and_given()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Cluster.Accounts.Codes["root@pam"] = "123456";
        await ThrowsAsync(ErrorIds.SecondFactorRequired, () => fixture.ConnectAsync());
        await ThrowsAsync(ErrorIds.AuthenticationFailed, () => fixture.ConnectAsync(fixture.Options(code: "654321")));
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync(fixture.Options(code: "123456"));

        // The code is good for one login; after that the ticket renews itself.
        fixture.Clock.Advance(TimeSpan.FromMinutes(100));
        fixture.Cluster.Accounts.Codes["root@pam"] = "another";
        Assert.Single(await hypervisor.GetAppliancesAsync(default));
        Assert.Equal(1, fixture.Cluster.Accounts.Renewals);

        fixture.Clock.Advance(TimeSpan.FromHours(5));
        await ThrowsAsync(ErrorIds.SessionExpired, () => hypervisor.GetAppliancesAsync(default));
    }

    [Fact]
    public async Task A_second_factor_that_needs_a_browser_is_named()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        fixture.Cluster.Accounts.KeyOnly.Add("root@pam");
        NataliaException error = await ThrowsAsync(ErrorIds.SecondFactorNotSupported, () => fixture.ConnectAsync());
        Assert.Contains("webauthn", error.Message);
    }

    [Fact]
    public async Task A_ticket_is_renewed_before_it_ends_while_a_long_task_runs()
    {
        await using ProxmoxFixture fixture =
            await ProxmoxFixture.StartAsync(c => c.BackupDuration = TimeSpan.FromHours(7));
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.True(result.Point.Duration > TimeSpan.FromHours(7));
        Assert.True(fixture.Cluster.Accounts.Renewals >= 4);
        Assert.Equal((1, 0), (fixture.Cluster.Accounts.Logins, fixture.Cluster.Accounts.Refusals));
    }

    [Fact]
    public async Task A_refused_ticket_is_replaced_once_for_a_post_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Server.Intercept = r =>
        {
            if (r.Method != "POST" || !r.Path.EndsWith("/snapshot")) return null;
            fixture.Server.Intercept = null;
            fixture.Cluster.Accounts.ExpireAllTickets();
            return null;
        };
        await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default);
        Assert.Equal(2, fixture.Cluster.Accounts.Logins);
        Assert.Single(fixture.Cluster.Guest(100).Snapshots);
    }

    [Fact]
    public async Task A_ticket_that_stays_refused_is_an_error_after_the_second_try()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path == "/cluster/resources"
            ? SimulatorReply.Fail(401, "permission denied - invalid PVE ticket")
            : null;
        int before = fixture.Server.Requests.Count(r => r.Path == "/cluster/resources");
        await ThrowsAsync(ErrorIds.AuthenticationFailed, () => hypervisor.GetAppliancesAsync(default));
        Assert.Equal(2, fixture.Server.Requests.Count(r => r.Path == "/cluster/resources") - before);
    }

    [Fact]
    public async Task Only_changes_carry_the_csrf_token()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default);
        Assert.All(fixture.Server.Requests.Where(r => r.Path != "/access/ticket"),
            r => Assert.Equal(r.Method == "GET", r.Csrf is null));
    }

    [Fact]
    public async Task A_certificate_is_trusted_by_its_fingerprint_in_any_spelling()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        string pin = fixture.Server.Thumbprint("pve1");
        string spelled = string.Join(':', pin.Chunk(2).Select(c => new string(c).ToUpperInvariant()));
        await fixture.ConnectAsync(fixture.Options(pins: [spelled]));
        NataliaException stranger = await ThrowsAsync(ErrorIds.ServerNotTrusted,
            () => fixture.ConnectAsync(fixture.Options(pins: [fixture.Server.Thumbprint("pve2")])));
        Assert.Contains(pin, stranger.Message);
        Assert.Equal(NataliaErrorKind.Security, stranger.Kind);
        await ThrowsAsync(ErrorIds.ServerNotTrusted, () => fixture.ConnectAsync(fixture.Options(pins: ["AB:CD"])));
    }

    [Fact]
    public async Task A_certificate_is_trusted_by_the_clusters_authority()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        await using ProxmoxFixture other = await ProxmoxFixture.StartAsync();
        string file = Path.Combine(Path.GetTempPath(), $"natalia-ca-{Guid.NewGuid():N}.pem");
        try
        {
            await File.WriteAllTextAsync(file, fixture.Server.Authority.ExportCertificatePem());
            await fixture.ConnectAsync(fixture.Options(authority: file));
            await File.WriteAllTextAsync(file, other.Server.Authority.ExportCertificatePem());
            await ThrowsAsync(ErrorIds.ServerNotTrusted, () => fixture.ConnectAsync(fixture.Options(authority: file)));
            await File.WriteAllTextAsync(file, "nothing");
            await ThrowsAsync(ErrorIds.ServerNotTrusted, () => fixture.ConnectAsync(fixture.Options(authority: file)));
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public async Task Without_pin_or_authority_a_self_signed_server_is_refused_and_nothing_is_sent()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        NataliaException error = await ThrowsAsync(ErrorIds.ServerNotTrusted,
            () => fixture.ConnectAsync(fixture.Options(pins: [])));
        Assert.Contains("-ServerCertificateThumbprint", error.RecommendedAction);
        Assert.Empty(fixture.Server.Requests);
    }

    [Fact]
    public async Task Another_node_answers_when_one_is_down()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor =
            await fixture.ConnectAsync(fixture.Options(hosts: [fixture.Host("pve2"), fixture.Host("pve1")]));
        fixture.Server.SetDown("pve2", true);
        Assert.Single(await hypervisor.GetAppliancesAsync(default));
        // The ticket is the cluster's: no new login is needed.
        Assert.Equal(1, fixture.Cluster.Accounts.Logins);
        fixture.Server.SetDown("pve1", true);
        await ThrowsAsync(ErrorIds.ServerUnreachable, () => hypervisor.GetAppliancesAsync(default));
    }

    [Fact]
    public async Task A_closed_port_is_passed_over_for_a_change_too()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            _) = await fixture.OpenAsync(options: fixture.Options(hosts: ["127.0.0.1:1", fixture.Host("pve1")]));
        await hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default);
        Assert.Single(fixture.Cluster.Guest(100).Snapshots);
    }

    [Fact]
    public async Task A_stranger_at_the_first_address_is_not_passed_over()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        await ThrowsAsync(ErrorIds.ServerNotTrusted,
            () => fixture.ConnectAsync(fixture.Options(hosts: [fixture.Host("pve2"), fixture.Host("pve1")],
                pins: [fixture.Server.Thumbprint("pve1")])));
    }

    [Theory]
    [InlineData(595)]
    [InlineData(596)]
    [InlineData(599)]
    public async Task A_read_is_repeated_after_a_proxy_failure(int status)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        int failures = 2;
        fixture.Server.Intercept = r => r.Path == "/cluster/resources" && failures-- > 0
            ? new SimulatorReply(status, null, "Connection timed out", RawBody: "")
            : null;
        Assert.Single(await hypervisor.GetAppliancesAsync(default));
    }

    [Fact]
    public async Task A_start_whose_answer_was_lost_is_found_among_the_tasks_and_not_repeated()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r =>
        {
            if (!r.Path.EndsWith("/vzdump")) return null;
            fixture.Cluster.Answer(r);
            return new SimulatorReply(596, null, "Connection timed out", RawBody: "");
        };
        NativeBackupResult result = await repository.BackupAsync(appliance, new NativeBackupRequest(), null, default);
        Assert.Equal(fixture.Cluster.Storage("pbs").Points.Single().Volid, result.Point.NativeId);
        Assert.Single(fixture.Server.Requests, r => r.Path.EndsWith("/vzdump"));
    }

    [Fact]
    public async Task A_start_of_which_nothing_is_known_is_an_error_and_not_repeated()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (_, ApplianceDescription appliance, INativeRepository repository) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Path.EndsWith("/vzdump") ? throw new IOException("broken") : null;
        await ThrowsAsync(ErrorIds.RequestOutcomeUnknown,
            () => repository.BackupAsync(appliance, new NativeBackupRequest(), null, default));
        Assert.Single(fixture.Server.Requests, r => r.Path.EndsWith("/vzdump"));
    }

    [Fact]
    public async Task A_missing_right_is_named_with_its_path_and_not_asked_twice()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync(c => c.Rights = new()
        {
            ["/"] = new() { ["VM.Audit"] = true, ["VM.GuestAgent.Audit"] = true },
        });
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance) = (await fixture.ConnectAsync(),
            (await (await fixture.ConnectAsync()).GetAppliancesAsync(default)).Single());
        NataliaException error = await ThrowsAsync(ErrorIds.PermissionDenied,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default));
        Assert.Contains("Missing: VM.Snapshot on /vms/100", error.Message);
        Assert.Equal("/vms/100", error.Target);
        Assert.Contains("privilege separation", error.RecommendedAction);
        Assert.Single(fixture.Server.Requests, r => r.Method == "POST" && r.Path.EndsWith("/snapshot"));
    }

    [Fact]
    public async Task A_missing_right_is_named_where_the_server_does_not_say_which()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance, _) = await fixture.OpenAsync();
        fixture.Server.Intercept = r => r.Method == "POST" && r.Path.EndsWith("/snapshot")
            ? SimulatorReply.Fail(403, "Permission check failed")
            : null;
        NataliaException error = await ThrowsAsync(ErrorIds.PermissionDenied,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance, new SnapshotRequest(), default));
        Assert.Contains("VM.Snapshot on /vms/100", error.Message);
    }

    [Fact]
    public async Task Refused_arguments_are_named_with_the_servers_reasons()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path == "/cluster/resources"
            ? SimulatorReply.Fail(400, "Parameter verification failed.", new Dictionary<string, string>
            {
                ["type"] = "value 'vm' does not have a value in the enumeration",
            }) : null;
        NataliaException error = await ThrowsAsync(ErrorIds.ServerRefused,
            () => hypervisor.GetAppliancesAsync(default));
        Assert.Contains("type: value 'vm' does not have a value", error.Message);
    }

    [Theory]
    [InlineData("<html><body>Login</body></html>")]
    [InlineData("{\"data\":")]
    public async Task Something_that_is_not_the_interface_is_said_to_be_so(string body)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path == "/cluster/resources"
            ? new SimulatorReply(200, null, RawBody: body)
            : null;
        await ThrowsAsync(ErrorIds.ServerAnswerInvalid, () => hypervisor.GetAppliancesAsync(default));
    }

    [Theory]
    [InlineData("{\"data\":null}")]
    [InlineData("{}")]
    [InlineData("")]
    public async Task Data_that_is_null_is_an_empty_list(string body)
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        ProxmoxHypervisor hypervisor = await fixture.ConnectAsync();
        fixture.Server.Intercept = r => r.Path == "/cluster/resources"
            ? new SimulatorReply(200, null, RawBody: body)
            : null;
        Assert.Empty(await hypervisor.GetAppliancesAsync(default));
    }

    [Fact]
    public async Task No_secret_appears_in_traces_errors_or_texts()
    {
        await using ProxmoxFixture fixture = await ProxmoxFixture.StartAsync();
        (ProxmoxHypervisor hypervisor, ApplianceDescription appliance,
            INativeRepository repository) = await fixture.OpenAsync();
        string? ticket = null;
        fixture.Server.Intercept = r =>
        {
            ticket = Uri.UnescapeDataString(r.Cookie?.Split('=', 2)[1] ?? "");
            // A server that repeats what it was sent.
            return r.Method == "POST" ? SimulatorReply.Fail(500, $"bad request {ticket} {r.Csrf}") : null;
        };
        NataliaException error = await ThrowsAsync(ErrorIds.ServerError,
            () => hypervisor.Find<ISnapshots>()!.CreateSnapshotAsync(appliance,
                new SnapshotRequest { Note = "private note" }, default));
        string all = string.Join('\n', fixture.Trace) + error + hypervisor + repository + fixture.Options() + appliance;
        Assert.DoesNotContain("correct horse", all);
        Assert.DoesNotContain(ticket!, all);
        Assert.DoesNotContain("csrf+token", all);
        Assert.DoesNotContain("private note", string.Join('\n', fixture.Trace));
        Assert.Contains(fixture.Trace, t => t.StartsWith("GET /cluster/resources (type)"));
    }

    internal static async Task<NataliaException> ThrowsAsync(string errorId, Func<Task> action)
    {
        NataliaException error = await Assert.ThrowsAnyAsync<NataliaException>(action);
        Assert.True(errorId == error.ErrorId, $"expected {errorId}, got {error.ErrorId}: {error.Message}");
        return error;
    }
}
