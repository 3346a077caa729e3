using System.Buffers.Binary;
using Natalia.Backup.Serving.Disks;
using Natalia.Backup.Serving.Scsi;
using Natalia.Backup.Serving.Tests.Overlays;

namespace Natalia.Backup.Serving.Tests.Scsi;

/// <summary>Who may do what under each type of persistent reservation: SPC-4, table 64 and §5.13.</summary>
public sealed class ReservationTests
{
    private readonly ScsiUnit _unit = new(new SectorDisk(new MemoryDisk(new byte[1 << 20]), 512),
        new UnitIdentity("00112233445566778899aabbccddeeff", "target"));
    private readonly Nexus _one = new("one"), _two = new("two"), _three = new("three");

    private async Task<ScsiReply> OutAsync(Nexus nexus, int action, ulong key, ulong other, byte type = 0)
    {
        var list = new byte[24];
        BinaryPrimitives.WriteUInt64BigEndian(list, key);
        BinaryPrimitives.WriteUInt64BigEndian(list.AsSpan(8), other);
        return await _unit.ExecuteAsync(nexus, 0, [0x5F, (byte)action, type, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0],
            list, default);
    }

    private async Task<byte> StatusAsync(Nexus nexus, byte opcode) => (await _unit.ExecuteAsync(nexus, 0,
        [opcode, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0], new byte[512], default)).Status;

    [Theory]
    [InlineData(1, true, false, true, false)]
    [InlineData(3, false, false, false, false)]
    [InlineData(5, true, false, true, true)]
    [InlineData(6, false, false, true, true)]
    [InlineData(7, true, false, true, true)]
    [InlineData(8, false, false, true, true)]
    public async Task Types_keep_out_whom_they_should(byte type, bool strangersRead, bool strangersWrite,
        bool registeredRead, bool registeredWrite)
    {
        await OutAsync(_one, 0, 0, 1);
        await OutAsync(_two, 0, 0, 2);
        Assert.Equal(0, (await OutAsync(_one, 1, 1, 0, type)).Status);
        Assert.Equal(strangersRead, await StatusAsync(_three, 0x28) != ScsiReply.ReservationConflict);
        Assert.Equal(strangersWrite, await StatusAsync(_three, 0x2A) != ScsiReply.ReservationConflict);
        Assert.Equal(registeredRead, await StatusAsync(_two, 0x28) != ScsiReply.ReservationConflict);
        Assert.Equal(registeredWrite, await StatusAsync(_two, 0x2A) != ScsiReply.ReservationConflict);
        Assert.NotEqual(ScsiReply.ReservationConflict, await StatusAsync(_one, 0x2A));
        Assert.Equal(0, await StatusAsync(_three, 0x12));
    }

    [Fact]
    public async Task Of_two_that_RESERVE_at_once_one_has_it()
    {
        // Both have been let in when the first one reserves.
        Assert.False(_unit.Reservations.Conflicts(_one, [0x16, 0, 0, 0, 0, 0]));
        Assert.False(_unit.Reservations.Conflicts(_two, [0x16, 0, 0, 0, 0, 0]));
        Assert.True(_unit.Reservations.Reserve(_one));
        Assert.False(_unit.Reservations.Reserve(_two));
        Assert.True(_unit.Reservations.Reserve(_one));
        _unit.Reservations.Release(_one);
        await OutAsync(_three, 0, 0, 1);
        Assert.False(_unit.Reservations.Reserve(_two));
    }

    [Fact]
    public async Task Registrations_are_bounded_and_one_that_is_there_can_change_its_key()
    {
        for (int n = 0; n < 1023; n++) await OutAsync(new Nexus($"port {n}"), 0, 0, 1);
        Assert.Equal(0, (await OutAsync(_one, 0, 0, 1)).Status);
        ScsiReply refused = await OutAsync(_two, 0, 0, 1);
        Assert.Equal((ScsiReply.CheckCondition, 0x55, 0x04), (refused.Status, refused.Sense[12], refused.Sense[13]));
        Assert.Equal(0, (await OutAsync(_one, 0, 1, 2)).Status);
    }

    [Fact]
    public async Task Who_is_preempted_is_told_and_kept_out()
    {
        await OutAsync(_one, 0, 0, 1);
        await OutAsync(_two, 0, 0, 2);
        await OutAsync(_one, 1, 1, 0, 3);
        Assert.Equal(0, (await OutAsync(_two, 4, 2, 1, 3)).Status);
        ScsiReply told = await _unit.ExecuteAsync(_one, 0, new byte[16], default, default);
        Assert.Equal((ScsiReply.CheckCondition, 6, 0x2A, 0x05), (told.Status, told.Sense[2], told.Sense[12],
            told.Sense[13]));
        Assert.Equal(ScsiReply.ReservationConflict, await StatusAsync(_one, 0x28));
        Assert.Equal(ScsiReply.ReservationConflict, (await OutAsync(_one, 1, 1, 0, 3)).Status);
    }

    [Fact]
    public async Task What_RESERVE_took_goes_with_its_session_and_what_is_persistent_stays()
    {
        _unit.Enter(_one);
        Assert.Equal(0, await StatusAsync(_one, 0x16));
        Assert.Equal(ScsiReply.ReservationConflict, await StatusAsync(_two, 0x28));
        _unit.Leave(_one);
        Assert.NotEqual(ScsiReply.ReservationConflict, await StatusAsync(_two, 0x28));
        await OutAsync(_one, 0, 0, 1);
        await OutAsync(_one, 1, 1, 0, 3);
        _unit.Leave(_one);
        Assert.Equal(ScsiReply.ReservationConflict, await StatusAsync(_two, 0x28));
    }
}
