using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Tests.Repositories;

/// <summary>The password was right, and what else an opening needs fails: no secret stays in memory.</summary>
public sealed class OpeningFailureTests
{
    private readonly RepositorySecrets _secrets = RepositorySecrets.NewRandom();

    [Fact]
    public async Task Secrets_are_wiped_when_the_log_cannot_be_read()
    {
        var damage = new NataliaException(ErrorIds.RepositoryDamaged, NataliaErrorKind.InvalidData, "Damaged.", "log");
        NataliaException failure = await Assert.ThrowsAsync<NataliaException>(() => RepositoryOpener.JoinAsync(
            Opened(), Task.FromException<(ImmutabilityPolicy?, string?)>(damage),
            (_, _, _, _) => throw new InvalidOperationException("There is no repository to make.")));
        Assert.Same(damage, failure);
        AssertWiped();
    }

    [Fact]
    public async Task Secrets_are_wiped_when_the_opening_is_stopped()
    {
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => RepositoryOpener.JoinAsync(Opened(),
            Task.FromCanceled<(ImmutabilityPolicy?, string?)>(new CancellationToken(canceled: true)),
            (_, _, _, _) => throw new InvalidOperationException("There is no repository to make.")));
        AssertWiped();
    }

    [Fact]
    public async Task Secrets_are_wiped_when_the_store_is_refused()
    {
        await Assert.ThrowsAsync<NotSupportedException>(() => RepositoryOpener.JoinAsync(Opened(),
            Task.FromResult<(ImmutabilityPolicy?, string?)>((null, null)),
            (_, _, _, _) => throw new NotSupportedException("The bucket has no object lock.")));
        AssertWiped();
    }

    private Task<(RepositorySecrets? Secrets, string? Slot)> Opened() =>
        Task.FromResult<(RepositorySecrets?, string?)>((_secrets, "slot"));

    private void AssertWiped()
    {
        Assert.Equal(new byte[ObjectKeys.KeyLength], _secrets.Master);
        Assert.Equal(new byte[Signing.SeedLength], _secrets.SigningSeed);
    }
}
