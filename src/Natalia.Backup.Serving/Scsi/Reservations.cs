using System.Buffers.Binary;

namespace Natalia.Backup.Serving.Scsi;

/// <summary>
/// Who may use the unit: persistent reservations (SPC-4 §5.13), and RESERVE and RELEASE of SPC-2. Thread-safe. They
/// last as long as the unit is served: APTPL is not offered.
/// </summary>
internal sealed class Reservations
{
    internal const ushort Preempted = 0x2A03, Released = 0x2A04, RegistrationsPreempted = 0x2A05;

    private const int MostRegistrations = 1024;

    private readonly object _gate = new();
    private readonly Dictionary<Nexus, ulong> _keys = [];
    private Nexus? _holder, _older;
    private byte _type;
    private uint _generation;

    private bool IsAllRegistrants => _type is 7 or 8;

    /// <summary>Whether a command of a nexus is kept out.</summary>
    internal bool Conflicts(Nexus nexus, ReadOnlySpan<byte> cdb)
    {
        lock (_gate)
        {
            byte opcode = cdb[0];
            // INQUIRY, REPORT LUNS and REQUEST SENSE are for everybody.
            if (opcode is 0x12 or 0xA0 or 0x03) return false;
            if (_older is not null) return opcode != 0x17 && _older != nexus;
            // PERSISTENT RESERVE IN and OUT decide for themselves.
            if (opcode is 0x5E or 0x5F) return false;
            if (opcode is 0x16 or 0x17) return _keys.Count > 0;
            if (_holder is null || IsHolder(nexus)) return false;
            // TEST UNIT READY, READ CAPACITY, GET LBA STATUS and START STOP UNIT change and tell nothing.
            if (opcode is 0x00 or 0x25 or 0x9E or 0x1B or 0xA3) return false;
            if (_type is 5 or 6 or 7 or 8 && _keys.ContainsKey(nexus)) return false;
            bool reads = opcode is 0x08 or 0x28 or 0xA8 or 0x88 or 0x1A or 0x5A or 0x2F or 0xAF or 0x8F;
            // Types 1, 5 and 7 keep writers out; 3, 6 and 8 everybody.
            return !(_type is 1 or 5 or 7 && reads);
        }
    }

    /// <summary>Whether anything is kept of a nexus.</summary>
    internal bool Knows(Nexus nexus)
    {
        lock (_gate) return _keys.ContainsKey(nexus) || _holder == nexus || _older == nexus;
    }

    /// <summary>Reserves the unit for a nexus, unless another has done it since it was asked who may.</summary>
    /// <returns>False on a reservation conflict.</returns>
    internal bool Reserve(Nexus nexus)
    {
        lock (_gate)
        {
            if (_older is not null ? _older != nexus : _keys.Count > 0) return false;
            _older = nexus;
            return true;
        }
    }

    internal void Release(Nexus nexus)
    {
        lock (_gate)
        {
            if (_older == nexus) _older = null;
        }
    }

    /// <summary>The session has ended: what SPC-2 reserved goes with it, what is persistent stays.</summary>
    internal void Leave(Nexus nexus) => Release(nexus);

    /// <summary>A reset of the unit ends what is not persistent.</summary>
    internal void Reset()
    {
        lock (_gate) _older = null;
    }

    internal byte[] In(int action)
    {
        lock (_gate)
        {
            switch (action)
            {
                case 0:
                    var keys = new byte[8 + 8 * _keys.Count];
                    BinaryPrimitives.WriteUInt32BigEndian(keys, _generation);
                    BinaryPrimitives.WriteInt32BigEndian(keys.AsSpan(4), 8 * _keys.Count);
                    int at = 8;
                    foreach (ulong key in _keys.Values)
                    {
                        BinaryPrimitives.WriteUInt64BigEndian(keys.AsSpan(at), key);
                        at += 8;
                    }
                    return keys;
                case 1:
                    var held = new byte[_holder is null ? 8 : 24];
                    BinaryPrimitives.WriteUInt32BigEndian(held, _generation);
                    if (_holder is null) return held;
                    held[7] = 16;
                    BinaryPrimitives.WriteUInt64BigEndian(held.AsSpan(8), IsAllRegistrants ? 0 : _keys[_holder]);
                    held[21] = _type;
                    return held;
                case 2:
                    // Types 1, 3, 5, 6, 7, 8; nothing is kept over a loss of power.
                    return [0, 8, 0, 0x80, 0xEA, 0x01, 0, 0];
                case 3:
                    return FullStatus();
                default:
                    throw ScsiException.InvalidField;
            }
        }
    }

    /// <summary>Who is registered, with his name: READ FULL STATUS.</summary>
    private byte[] FullStatus()
    {
        var all = new List<byte>(new byte[8]);
        foreach ((Nexus nexus, ulong key) in _keys.Select(k => (k.Key, k.Value)))
        {
            // As iSCSI names an initiator's port; ends with a zero, and fills words.
            byte[] name = System.Text.Encoding.UTF8.GetBytes(nexus.Name);
            Array.Resize(ref name, (name.Length + 4) / 4 * 4);
            bool holds = IsHolder(nexus);
            var one = new byte[24];
            BinaryPrimitives.WriteUInt64BigEndian(one, key);
            (one[12], one[13], one[19]) = ((byte)(holds ? 1 : 0), holds ? _type : (byte)0, 1);
            BinaryPrimitives.WriteInt32BigEndian(one.AsSpan(20), 4 + name.Length);
            all.AddRange(one);
            all.AddRange([0x45, 0, (byte)(name.Length >> 8), (byte)name.Length]);
            all.AddRange(name);
        }
        byte[] bytes = [.. all];
        BinaryPrimitives.WriteUInt32BigEndian(bytes, _generation);
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4), bytes.Length - 8);
        return bytes;
    }

    /// <returns>False on a reservation conflict.</returns>
    internal bool Out(Nexus nexus, int action, byte scopeAndType, ReadOnlySpan<byte> list)
    {
        if (list.Length != 24) throw ScsiException.ParameterLength;
        ulong key = BinaryPrimitives.ReadUInt64BigEndian(list), other =
            BinaryPrimitives.ReadUInt64BigEndian(list.Slice(8));
        // APTPL, SPEC_I_PT and ALL_TG_PT are not offered.
        if ((list[20] & 0x0D) != 0) throw ScsiException.InvalidParameter;
        byte type = (byte)(scopeAndType & 15);
        lock (_gate)
        {
            bool isKnown = _keys.TryGetValue(nexus, out ulong mine);
            if (action is 0 or 6)
            {
                if (action == 0 && (isKnown ? mine != key : key != 0)) return false;
                // Ports are the initiators' to name.
                if (other != 0 && !isKnown && _keys.Count >= MostRegistrations)
                    throw ScsiException.NoReservationResources;
                _generation++;
                if (other != 0) _keys[nexus] = other;
                else if (isKnown) Unregister(nexus);
                return true;
            }
            if (!isKnown || mine != key) return false;
            if (action is 1 or 2 or 4 && (scopeAndType >> 4 != 0 || type is not (1 or 3 or 5 or 6 or 7 or 8)))
                throw ScsiException.InvalidField;
            switch (action)
            {
                case 1:
                    if (_holder is not null) return IsHolder(nexus) && _type == type;
                    (_holder, _type) = (nexus, type);
                    return true;
                case 2:
                    if (_holder is null || !IsHolder(nexus)) return true;
                    if (_type != type) throw ScsiException.InvalidRelease;
                    bool tells = _type is 5 or 6 or 7 or 8;
                    (_holder, _type) = (null, 0);
                    if (tells) Tell(nexus, Released, _keys.Keys);
                    return true;
                case 3:
                    _generation++;
                    Tell(nexus, Preempted, _keys.Keys);
                    _keys.Clear();
                    (_holder, _type) = (null, 0);
                    return true;
                case 4:
                    return Preempt(nexus, type, other);
                default:
                    throw ScsiException.InvalidField;
            }
        }
    }

    private bool Preempt(Nexus nexus, byte type, ulong victim)
    {
        bool takesOver = _holder is not null && (IsAllRegistrants ? victim == 0 : _keys[_holder] == victim);
        if (victim == 0 && !takesOver) throw ScsiException.InvalidParameter;
        List<Nexus> gone = [.. _keys.Where(k => k.Key != nexus && (k.Value == victim || victim == 0 && takesOver))
            .Select(k => k.Key)];
        if (gone.Count == 0 && !takesOver) return false;
        _generation++;
        foreach (Nexus one in gone)
        {
            _keys.Remove(one);
            one.Attend(RegistrationsPreempted);
        }
        if (takesOver)
        {
            bool changes = _type != type;
            (_holder, _type) = (nexus, type);
            if (changes) Tell(nexus, Released, _keys.Keys);
        }
        return true;
    }

    private bool IsHolder(Nexus nexus) =>
        _holder == nexus || _holder is not null && IsAllRegistrants && _keys.ContainsKey(nexus);

    private void Unregister(Nexus nexus)
    {
        _keys.Remove(nexus);
        if (_holder is null || (IsAllRegistrants ? _keys.Count > 0 : _holder != nexus)) return;
        bool tells = _type is 5 or 6;
        (_holder, _type) = (null, 0);
        if (tells) Tell(nexus, Released, _keys.Keys);
    }

    private static void Tell(Nexus but, ushort code, IEnumerable<Nexus> all)
    {
        foreach (Nexus one in all)
        {
            if (one != but) one.Attend(code);
        }
    }
}
