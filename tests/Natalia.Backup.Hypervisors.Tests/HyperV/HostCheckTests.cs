using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.HyperV.Cim;

namespace Natalia.Backup.Hypervisors.Tests.HyperV;

/// <summary>On the simulated host: rights and services, asked beforehand.</summary>
public sealed class HostCheckTests : IDisposable
{
    private readonly HyperVFixture _host = new();

    public void Dispose() => _host.Dispose();

    [Theory]
    [InlineData("stopped", CheckOutcome.Failed, "not started", ErrorIds.HypervisorNotFound)]
    [InlineData("silent", CheckOutcome.NotEvidenced, "not told", null)]
    [InlineData("gone", CheckOutcome.Failed, "not there", ErrorIds.HypervisorNotFound)]
    [InlineData("denied", CheckOutcome.Failed, "not there", ErrorIds.PermissionDenied)]
    public async Task Each_service_that_a_backup_calls_is_asked_for(string trouble, CheckOutcome result, string actual,
        string? id)
    {
        foreach ((string service, string name) in new[]
        {
            ("Msvm_VirtualSystemManagementService", "management of VMs (vmms) on hv1"),
            ("Msvm_VirtualSystemSnapshotService", "checkpoints on hv1"),
            ("Msvm_VirtualSystemReferencePointService", "reference points on hv1"),
            ("Msvm_ImageManagementService", "disk images on hv1"),
        })
        {
            _host.Host.ServiceStarts.Clear();
            if (trouble is "stopped" or "silent")
                _host.Host.ServiceStarts[service] = trouble == "stopped" ? false : null;
            CheckResult[] services = [.. (await TestAsync(trouble switch
            {
                "gone" => CimFault.NoSuchClass,
                "denied" => CimFault.AccessDenied,
                _ => null,
            }, service)).Where(c => c.Name == "Service")];
            Assert.Equal(4, services.Length);
            CheckResult failed = Assert.Single(services, c => c.Result != CheckOutcome.Passed);
            Assert.Equal((name, result, actual, id), (failed.Target, failed.Result, failed.Actual, failed.ErrorId));
            Assert.NotEmpty(failed.Detail!);
        }
    }

    [Theory]
    [InlineData("denied", CheckOutcome.Passed, CheckOutcome.Failed, ErrorIds.PermissionDenied,
        "Hyper-V Administrators")]
    [InlineData("away", CheckOutcome.Failed, null, null, "")]
    [InlineData("nothing", CheckOutcome.Passed, CheckOutcome.NotEvidenced, null, "lists not even itself")]
    public async Task A_host_that_lists_nothing_to_this_user_is_told_as_a_lack_of_rights(string trouble,
        CheckOutcome answers, CheckOutcome? result, string? id, string detail)
    {
        _host.Host.ListsNothing = trouble == "nothing";
        IReadOnlyList<CheckResult> checks = await TestAsync(trouble switch
        {
            "denied" => CimFault.AccessDenied,
            "away" => CimFault.Transport,
            _ => null,
        }, "Msvm_ComputerSystem");
        Assert.Equal(answers, Assert.Single(checks, c => c.Name == "VMHost").Result);
        CheckResult? rights = checks.SingleOrDefault(c => c.Name == "Rights");
        Assert.Equal((result, id), (rights?.Result, rights?.ErrorId));
        Assert.Contains(detail, rights?.Detail ?? "", StringComparison.Ordinal);
        // Nothing more is asked of a host that refused or did not answer.
        Assert.Equal(trouble == "nothing", checks.Any(c => c.Name == "Service"));
    }

    [Fact]
    public async Task What_is_not_asked_of_the_rights_is_said_where_they_suffice_to_list()
    {
        CheckResult rights = Assert.Single(await TestAsync(null, ""), c => c.Name == "Rights");
        Assert.Equal(CheckOutcome.Passed, rights.Result);
        Assert.Contains("is not asked", rights.Detail, StringComparison.Ordinal);
    }

    /// <summary>The checks of the host alone, of which the listing of one class goes wrong.</summary>
    private async Task<IReadOnlyList<CheckResult>> TestAsync(CimFault? fault, string className)
    {
        using IHypervisor hypervisor = _host.Connect();
        _host.Host.OnCall = call =>
        {
            if (fault is CimFault wrong && call == $"SELECT * FROM {className}")
                throw new CimFaultException(wrong, "It went wrong.");
        };
        IReadOnlyList<CheckResult> checks = await hypervisor.Require<IPrerequisites>("checks")
            .TestPrerequisitesAsync(null, new PrerequisiteRequest(), default);
        _host.Host.OnCall = null;
        return checks;
    }
}
