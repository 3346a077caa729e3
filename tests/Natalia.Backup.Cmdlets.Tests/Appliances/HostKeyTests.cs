using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Testing;
using Natalia.Backup.Testing.Ssh;

namespace Natalia.Backup.Cmdlets.Tests.Appliances;

/// <summary>The host key that an appliance is enrolled with, taken from a real server of OpenSSH.</summary>
public sealed class HostKeyTests : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly RepositoryFixture _repository = new();
    private readonly FakeHypervisor _hypervisor = new() { Guests = new SshOnly() };

    public HostKeyTests()
    {
        using (Repository made = _repository.CreateAsync(_repository.Store).GetAwaiter().GetResult()) { }
        Assert.Empty(_session.Run("param($h, $s) $null = Add-Fake $h -Name hv; $null = Add-Repository $s -Name nas",
            _hypervisor, _repository.Store).Errors);
    }

    public void Dispose()
    {
        _session.Dispose();
        _repository.Dispose();
    }

    [SshFact]
    public void The_key_of_the_production_vm_is_taken_once_and_another_one_is_refused_later()
    {
        using var server = new SshServer();
        string place = $"127.0.0.1:{server.Port}";
        string key = SshHostKey.Parse(server.PublicKey("host-ed25519")).Fingerprint;
        EngineSession.Result enrolled = _session.Run(
            "Set-NataliaAppliance natalia-test -Repository nas -SshHost $args[0] -PassThru", place);
        Assert.Empty(enrolled.Errors);
        string told = Assert.Single(enrolled.Warnings);
        Assert.Contains($"host key {key} was taken from {place}", told, StringComparison.Ordinal);
        Assert.Contains("trust on first use", told, StringComparison.Ordinal);
        Assert.Equal(key, KeptKey());

        // The same server, by the other one of its keys as well.
        EngineSession.Result again = _session.Run("Set-NataliaAppliance natalia-test -SshHost $args[0]; "
            + "Set-NataliaAppliance natalia-test -SshHostKey $args[1]; "
            + "Set-NataliaAppliance natalia-test -SshHost $args[0]", place, server.PublicKey("host-rsa"));
        Assert.Empty(again.Errors);
        Assert.Empty(again.Warnings);

        using var other = new SshServer();
        string kept = KeptKey()!;
        EngineSession.Result refused = _session.Run(
            "Set-NataliaAppliance natalia-test -Strategy SixHourly -SshHost $args[0]", $"127.0.0.1:{other.Port}");
        Assert.Equal([ErrorIds.SshHostKeyNotTrusted], refused.ErrorIds);
        Assert.Equal(kept, KeptKey());
        Assert.Null(_session.Run("Get-NataliaAppliance").Output.Single().Properties["Strategy"].Value);
    }

    [SshFact]
    public void The_address_that_the_guest_tells_is_asked_when_a_way_into_it_is_set_up()
    {
        using var server = new SshServer();
        _hypervisor.GuestPlaces = [new("127.0.0.1", 1), new("127.0.0.1", server.Port)];
        Assert.Empty(_session.Run("Set-NataliaAppliance natalia-test -Repository nas").Warnings);
        Assert.Null(KeptKey());
        _session.Run("Set-NataliaAppliance natalia-test -GuestCredential natalia -WhatIf");
        Assert.Null(KeptKey());
        Assert.Contains("was taken from 127.0.0.1", Assert.Single(_session.Run(
            "Set-NataliaAppliance natalia-test -GuestCredential natalia").Warnings), StringComparison.Ordinal);
        Assert.Equal(SshHostKey.Parse(server.PublicKey("host-ed25519")).Fingerprint, KeptKey());
    }

    [Theory]
    [InlineData(0, "-GuestCredential natalia", "tells the hypervisor no address")]
    [InlineData(1, "-GuestCredential natalia", "No SSH server can be spoken to at 127.0.0.1:1")]
    [InlineData(0, "-SshHost 127.0.0.1:1", "No SSH server can be spoken to at 127.0.0.1:1")]
    public void A_guest_that_does_not_answer_is_enrolled_all_the_same(int places, string how, string why)
    {
        _hypervisor.GuestPlaces = [.. Enumerable.Repeat(new SshEndpoint("127.0.0.1", 1), places)];
        EngineSession.Result result = _session.Run(
            $"Set-NataliaAppliance natalia-test -Repository nas -IsolatedNetwork Nowhere {how}");
        Assert.Empty(result.Errors);
        Assert.Contains(why, Assert.Single(result.Warnings), StringComparison.Ordinal);
        Assert.Null(KeptKey());
        Assert.Equal("Nowhere", _session.Run("(Get-NataliaAppliance).RestoreTest.IsolatedNetwork").Text.Single());
    }

    [Fact]
    public void A_place_is_one_appliances()
    {
        Assert.Equal([ErrorIds.SshHostInvalid], _session.Run(
            "Set-NataliaAppliance natalia-test, other -Repository nas -SshHost 127.0.0.1:1").ErrorIds);
        Assert.Equal([ErrorIds.NothingEnrolled], _session.Run("Get-NataliaAppliance").ErrorIds);
    }

    [Fact]
    public void What_is_no_place_is_refused_before_anything_is_kept()
    {
        Assert.Equal([ErrorIds.SshHostInvalid],
            _session.Run("Set-NataliaAppliance natalia-test -Repository nas -SshHost 'root@natalia'").ErrorIds);
        Assert.Equal([ErrorIds.NothingEnrolled], _session.Run("Get-NataliaAppliance").ErrorIds);
    }

    private string? KeptKey() =>
        _session.Run("(Get-NataliaAppliance).RestoreTest.SshHostKey").Output.SingleOrDefault()?.ToString();

    /// <summary>A way into guests that goes over SSH alone, and is not used here.</summary>
    private sealed class SshOnly : ISshGuestChannel
    {
        public Task<IGuest> OpenAsync(string nativeId, GuestCredential? who, TimeSpan timeout,
            CancellationToken cancellationToken) => throw new NotSupportedException();
    }
}
