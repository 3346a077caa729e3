using System.Collections.Concurrent;
using System.Net;
using System.Xml.Linq;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.VSphere.Client;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Hypervisors.Tests.VSphere.Client;

/// <summary>
/// The client against govmomi's simulator; sessions that end, pages and faults on demand are our handler's.
/// </summary>
public sealed class VimServiceTests(VSphereServers servers) : IClassFixture<VSphereServers>
{
    [VSphereTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_logs_in_lists_by_pages_and_logs_out(bool isCenter)
    {
        SimulatedVSphere server = servers.Get(isCenter);
        server.Do("clear");
        using (VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default))
        {
            Assert.Equal(isCenter, vim.IsVirtualCenter);
            IReadOnlyList<VimObject> machines = await vim.FindAsync(null, "VirtualMachine",
                ["name", "config.instanceUuid"], default);
            Assert.Equal(server.Machines.Select(m => (m.Id, m.Name, m.Uuid)).Order(),
                machines.Select(m => (m.Reference.Value, m.Text("name")!, m.Text("config.instanceUuid")!)).Order());
            if (isCenter) Assert.Contains("ContinueRetrievePropertiesEx", server.Calls());
        }
        Assert.Contains("DestroyView", server.Calls());
        Assert.Equal("Logout", server.Calls()[^1]);
    }

    [VSphereFact]
    public async Task A_wrong_password_and_a_strangers_certificate_are_told()
    {
        SimulatedVSphere server = servers.Get(true);
        VSphereConnectOptions right = VSphereServers.Options(server);
        var wrong = new System.Security.SecureString();
        wrong.AppendChar('x');
        NataliaException login = await Assert.ThrowsAsync<VimFaultException>(() => VimService.ConnectAsync(
            new VSphereConnectOptions
            {
                Host = right.Host,
                Port = right.Port,
                User = right.User,
                Secret = wrong,
                CertificateThumbprints = right.CertificateThumbprints,
            }, default));
        Assert.Equal(ErrorIds.AuthenticationFailed, login.ErrorId);

        NataliaException stranger = await Assert.ThrowsAsync<NataliaException>(() => VimService.ConnectAsync(
            new VSphereConnectOptions
            {
                Host = right.Host,
                Port = right.Port,
                User = right.User,
                Secret = SimulatedVSphere.Secret,
            }, default));
        Assert.Equal(ErrorIds.ServerNotTrusted, stranger.ErrorId);
        Assert.Contains(server.Thumbprint, stranger.Message, StringComparison.Ordinal);
    }

    [VSphereFact]
    public async Task A_session_that_ended_is_renewed_once_for_calls_and_for_bytes()
    {
        SimulatedVSphere server = servers.Get(true);
        var lines = new ConcurrentQueue<string>();
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server, lines.Enqueue), default);
        server.Do("expire");
        server.Do("clear");
        Assert.NotEmpty(await vim.FindAsync(null, "Datastore", ["name"], default));
        Assert.Single(server.Calls(), "Login");

        // The secret and the session are in nothing that is traced.
        Assert.DoesNotContain(lines, l => l.Contains(SimulatedVSphere.Password) || l.Contains("vmware_soap_session"));

        server.Fail("CurrentTime", "before", "fault", ("name", "NotAuthenticated"), ("times", 9));
        VimFaultException ended = await Assert.ThrowsAsync<VimFaultException>(() =>
            vim.CallAsync(new VimReference("ServiceInstance", "ServiceInstance"), "CurrentTime", [], default));
        Assert.Equal(ErrorIds.SessionExpired, ended.ErrorId);
        server.Do("clear");
    }

    [VSphereFact]
    public async Task An_object_that_is_gone_is_missing_and_hides_no_other()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        IReadOnlyList<VimObject> found = await vim.GetPropertiesAsync(
            [new VimReference("VirtualMachine", "vm-404"), new VimReference("VirtualMachine", server.Appliance.Id)],
            ["name"], default);
        Assert.Equal(server.Appliance.Name, Assert.Single(found).Text("name"));
    }

    [VSphereFact]
    public async Task Faults_have_the_products_ids_and_their_own_names()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        var machine = new VimReference("VirtualMachine", server.Appliance.Id);
        foreach ((string fault, string id) in new[]
        {
            ("NoPermission", ErrorIds.PermissionDenied), ("RestrictedVersion", ErrorIds.LicenseRestricted),
            ("TaskInProgress", ErrorIds.ApplianceLocked), ("FileFault", ErrorIds.ServerRefused),
        })
        {
            server.Fail("ConsolidateVMDisks_Task", "before", "fault", ("name", fault), ("text", "because\u001b[31m"));
            VimFaultException e = await Assert.ThrowsAsync<VimFaultException>(() =>
                vim.CallAsync(machine, "ConsolidateVMDisks_Task", [], default));
            Assert.Equal((id, fault), (e.ErrorId, e.FaultName));
            Assert.DoesNotContain("\u001b", e.Message, StringComparison.Ordinal);
        }

        server.Fail("ConsolidateVMDisks_Task", "task", "fault", ("name", "FileLocked"), ("text", "in use"));
        VimReference task = await BeginAsync(vim, machine);
        VimFaultException failed = await Assert.ThrowsAsync<VimFaultException>(() =>
            vim.WaitTaskAsync(task, new VimTaskOptions(TimeSpan.FromMinutes(1), "the merge"), default));
        Assert.Equal((ErrorIds.DiskInUse, "FileLocked"), (failed.ErrorId, failed.FaultName));
    }

    [VSphereFact]
    public async Task A_task_that_hangs_is_cancelled_when_its_time_is_over_and_when_the_user_stops_it()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        var machine = new VimReference("VirtualMachine", server.Appliance.Id);
        server.Fail("ConsolidateVMDisks_Task", "task", "fault", ("name", "RuntimeFault"), ("wait", 3_600_000),
            ("times", 2));
        var progress = new ConcurrentQueue<int>();
        VimFaultException late = await Assert.ThrowsAsync<VimFaultException>(async () => await vim.WaitTaskAsync(
            await BeginAsync(vim, machine),
            new VimTaskOptions(TimeSpan.FromMilliseconds(250), "the merge", new Reporter(progress.Enqueue)), default));
        Assert.Equal("RequestCanceled", late.FaultName);
        Assert.Contains(10, progress);

        using var stop = new CancellationTokenSource();
        VimReference task = await BeginAsync(vim, machine);
        Task wait = vim.WaitTaskAsync(task, new VimTaskOptions(TimeSpan.FromHours(1), "the merge",
            new Reporter(_ => stop.Cancel())), stop.Token);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wait);
        IReadOnlyList<VimObject> ended = await vim.GetPropertiesAsync([task], ["info.state"], default);
        Assert.Equal("error", ended.Single().Text("info.state"));
    }

    [VSphereFact]
    public async Task A_call_whose_answer_is_lost_is_repeated_when_it_only_reads_and_else_told()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        server.Fail("RetrievePropertiesEx", "after", "drop");
        Assert.NotEmpty(await vim.GetPropertiesAsync([vim.Singleton("rootFolder")], ["name"], default));

        server.Fail("ConsolidateVMDisks_Task", "after", "drop");
        NataliaException lost = await Assert.ThrowsAsync<NataliaException>(() => vim.CallAsync(
            new VimReference("VirtualMachine", server.Appliance.Id), "ConsolidateVMDisks_Task", [], default));
        Assert.Equal(ErrorIds.RequestOutcomeUnknown, lost.ErrorId);
    }

    [VSphereFact]
    public async Task Something_else_at_the_address_is_told()
    {
        SimulatedVSphere server = servers.Get(true);
        server.Fail("RetrieveServiceContent", "before", "status", ("status", 404), ("text", "<html>"));
        NataliaException other = await Assert.ThrowsAsync<NataliaException>(() =>
            VimService.ConnectAsync(VSphereServers.Options(server), default));
        Assert.Equal(ErrorIds.ServerAnswerInvalid, other.ErrorId);
    }

    [VSphereFact]
    public async Task Files_are_read_with_the_session_and_hosts_are_known_from_the_vcenter()
    {
        SimulatedVSphere server = servers.Get(true);
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(server), default);
        using HttpResponseMessage response = await vim.SendAsync(() => new HttpRequestMessage(HttpMethod.Get,
            new Uri(vim.BaseUri, "/folder/natalia-nice/none.vmdk?dcPath=DC0&dsName=LocalDS_0")), default);
        Assert.Equal(HttpStatusCode.NotFound, response.StatusCode);

        VimObject host = (await vim.FindAsync(null, "HostSystem", ["name"], default))[0];
        Assert.Contains(host.Text("name"), await vim.TrustHostAsync(host.Reference, default));
        using (vim.KeepAlive())
        using (vim.KeepAlive())
            Assert.Equal(server.Port, vim.BaseUri.Port);
    }

    [VSphereFact]
    public async Task A_host_is_known_by_the_certificate_that_its_vcenter_tells_and_by_no_other()
    {
        using SimulatedVSphere center = SimulatedVSphere.Start("-own-certificate"),
            host = SimulatedVSphere.Start("-esx", "-own-certificate"),
            stranger = SimulatedVSphere.Start("-esx", "-own-certificate");
        center.Do("host", host.Certificate, ("name", "localhost"));
        using VimService vim = await VimService.ConnectAsync(VSphereServers.Options(center), default);
        await RefusedAsync(host);

        VimReference found = (await vim.FindAsync(null, "HostSystem", ["name"], default))
            .Single(h => h.Text("name") == "localhost").Reference;
        Assert.Contains("localhost", await vim.TrustHostAsync(found, default));
        using (HttpResponseMessage answer = await GetAsync(host))
            // The session is the vCenter's, and is shown to nobody else.
            Assert.Equal(HttpStatusCode.Unauthorized, answer.StatusCode);
        await RefusedAsync(stranger);

        Task<HttpResponseMessage> GetAsync(SimulatedVSphere server) => vim.SendAsync(() => new HttpRequestMessage(
            HttpMethod.Get, $"https://localhost:{server.Port}/folder/none.vmdk?dsName=LocalDS_0"), default);

        async Task RefusedAsync(SimulatedVSphere server)
        {
            NataliaException e = await Assert.ThrowsAsync<NataliaException>(() => GetAsync(server));
            Assert.Equal(ErrorIds.ServerNotTrusted, e.ErrorId);
            Assert.Contains("'localhost'", e.Message, StringComparison.Ordinal);
            Assert.Contains(server.Thumbprint, e.Message, StringComparison.Ordinal);
        }
    }

    private static async Task<VimReference> BeginAsync(IVimService vim, VimReference machine)
    {
        IReadOnlyList<XElement> begun = await vim.CallAsync(machine, "ConsolidateVMDisks_Task", [], default);
        return VimXml.ReferenceOf(begun.Single())!;
    }

    private sealed class Reporter(Action<int> told) : IProgress<int>
    {
        public void Report(int value) => told(value);
    }
}
