%% The interpreter of scenarios (see README.md) with the real supervisor of OTP.
%%
%% It reads one scenario per line from its standard input, as an Erlang term
%% {Number, Root, Acts}, plays all of them at once, and writes one line for each
%% to its standard output when it is over:
%%
%%     Number TAB Late TAB Event TAB Event ...
%%
%% Late is by how many milliseconds the worst act came after its time.
-module(oracle).
-behaviour(supervisor).
-export([main/0, init/1, child/2, child_begin/3, gate/2, gate_begin/3, log/2]).

main() ->
    ok = logger:set_primary_config(level, error),
    ok = logger:remove_handler(default),
    ok = logger:add_handler(oracle, ?MODULE, #{}),
    ok = io:setopts(standard_io, [{encoding, latin1}]),
    read().

read() ->
    case io:get_line("") of
        Line when is_list(Line) ->
            {ok, Tokens, _} = erl_scan:string(Line),
            {ok, Scenario} = erl_parse:parse_term(Tokens),
            spawn(fun() -> play(Scenario) end),
            read();
        _ ->
            halt(0)
    end.

%% The stage of one scenario is a public table. Everything that happens goes
%% there under a number that grows strictly with time.

event(T, Event) ->
    ets:insert(T, {{event, erlang:unique_integer([monotonic])}, iolist_to_binary(Event)}),
    ok.

%% What an asynchronous act has come to. It may be told a moment after the
%% events that follow from it, so the order counts only among replies.
reply(T, Event) -> event(T, ["= ", Event]).

join(T) -> ets:insert(T, {{process, self()}}).

name(A) -> atom_to_binary(A).

play({Number, Root, Acts}) ->
    T = ets:new(stage, [ordered_set, public]),
    Begin = erlang:monotonic_time(millisecond),
    ets:insert(T, {root, element(2, Root)}),
    Parent = spawn(fun() -> parent(T, Root) end),
    ets:insert(T, {{process, Parent}}),
    settle(T),
    event(T, "--"),
    Late = acts(T, Parent, Acts, Begin, 0),
    Events = [E || [E] <- ets:match(T, {{event, '_'}, '$1'})],
    Line = lists:join("\t", [integer_to_list(Number), integer_to_list(Late) | Events]),
    io:put_chars([Line, "\n"]),
    [exit(P, kill) || [P] <- ets:match(T, {{process, '$1'}})],
    ok.

acts(_, _, [], _, Late) -> Late;
acts(T, Parent, [{wait, Ms} | Rest], Time, Late) ->
    timer:sleep(max(0, Time + Ms - erlang:monotonic_time(millisecond))),
    settle(T),
    event(T, "--"),
    acts(T, Parent, Rest, Time + Ms, Late);
acts(T, Parent, [Act | Rest], Time, Late) ->
    act(T, Parent, Act),
    settle(T),
    event(T, "--"),
    acts(T, Parent, Rest, Time, max(Late, erlang:monotonic_time(millisecond) - Time)).

act(T, _, {'end', Name, Reason}) ->
    case ets:lookup(T, {child, Name}) of
        [{_, Pid, up}] ->
            case is_process_alive(Pid) of
                true when Reason =:= kill ->
                    event(T, ["exit ", name(Name), " killed"]),
                    exit(Pid, kill);
                true ->
                    Pid ! {'end', Reason};
                false ->
                    event(T, ["no process ", name(Name)])
            end;
        _ ->
            event(T, ["no process ", name(Name)])
    end;
act(T, _, {hold, What, Name}) ->
    ets:insert(T, {{hold, What, Name}});
act(T, _, {release, Name}) ->
    ets:delete(T, {hold, start, Name}),
    ets:delete(T, {hold, stop, Name}),
    [Pid ! release || {_, Pid, _} <- ets:lookup(T, {child, Name})];
act(T, _, {pause, Sup}) ->
    ets:member(T, {paused, Sup}) orelse pause(T, Sup, make_ref());
act(T, _, {resume, Sup}) ->
    [resume(T, Gate) || {_, Gate} <- ets:take(T, {paused, Sup})];
act(T, _, {start, Sup, Node}) ->
    ask(T, ["start ", name(element(2, Node))], Sup, fun(Pid) ->
        case ets:member(T, {dynamic, Sup}) of
            false -> started(supervisor:start_child(Pid, spec(T, Node)));
            true -> dynamic_started(supervisor:start_child(Pid, [Node]))
        end
    end);
act(T, _, {terminate, Sup, Name}) ->
    ask(T, ["terminate ", name(Name)], Sup, fun(Pid) ->
        Child = case ets:member(T, {dynamic, Sup}) of
            false -> Name;
            true -> ets:lookup_element(T, {child, Name}, 2)
        end,
        done(supervisor:terminate_child(Pid, Child))
    end);
act(T, _, {restart, Sup, Name}) ->
    ask(T, ["restart ", name(Name)], Sup, fun(Pid) -> done(supervisor:restart_child(Pid, Name)) end);
act(T, _, {delete, Sup, Name}) ->
    ask(T, ["delete ", name(Name)], Sup, fun(Pid) -> done(supervisor:delete_child(Pid, Name)) end);
act(T, _, {spec, Sup, Name}) ->
    ask(T, ["spec ", name(Name)], Sup, fun(Pid) -> described(supervisor:get_childspec(Pid, Name)) end);
act(T, _, states) ->
    [states(T, Name, Pid) || [Name, Pid] <- ets:match(T, {{supervisor, '$1'}, '$2'}), is_process_alive(Pid)];
act(_, Parent, stop) ->
    Parent ! stop.

%% Requests come each from a process of its own.

ask(T, What, Sup, F) ->
    Asker = spawn(fun() ->
        receive go -> ok end,
        Answer = try
            [{_, Pid}] = ets:lookup(T, {supervisor, Sup}),
            F(Pid)
        catch
            exit:_ -> "down";
            error:{badmatch, []} -> "down"
        end,
        What =:= none orelse reply(T, [What, ": ", Answer])
    end),
    ets:insert(T, {{process, Asker}}),
    Asker ! go.

started({error, {already_started, _}}) -> "already started";
started({error, {_, Child}}) when element(1, Child) =:= child -> "failed";
started({error, already_present}) -> "already present";
started({error, _}) -> "invalid";
started(Ok) when element(1, Ok) =:= ok -> "ok".

dynamic_started({error, _}) -> "failed";
dynamic_started(_) -> "ok".

done(ok) -> "ok";
done({ok, _}) -> "ok";
done({error, Reason}) when Reason =:= running; Reason =:= restarting -> name(Reason);
done({error, not_found}) -> "not found";
done({error, _}) -> "failed".

described({error, not_found}) -> "not found";
described({ok, #{restart := R, shutdown := S, significant := G, type := Type}}) ->
    Shutdown = case S of
        Ms when is_integer(Ms) -> integer_to_list(Ms);
        Atom -> name(Atom)
    end,
    [name(R), " ", Shutdown, " ", name(G), " ", name(Type)].

states(T, Name, Pid) ->
    event(T, ["states ", name(Name), ":" | try
        Children = gen_server:call(Pid, which_children, 2000),
        Counts = gen_server:call(Pid, count_children, 2000),
        case ets:member(T, {dynamic, Name}) of
            true -> dynamic_states(T, Children);
            false -> static_states(Children, Counts)
        end
    catch
        exit:_ -> " busy"
    end]).

dynamic_states(T, Children) ->
    Names = [ets:lookup_element(T, {name, P}, 2) || {_, P, _, _} <- Children, is_pid(P)],
    [[[" ", name(Id)] || Id <- lists:sort(Names)],
        io_lib:format(" (~p restarting)", [length(Children) - length(Names)])].

static_states(Children, Counts) ->
    [[[" ", name(Id), state(P)] || {Id, P, _, _} <- lists:reverse(Children)],
        io_lib:format(" (~p specs, ~p active, ~p supervisors, ~p workers)",
            [proplists:get_value(K, Counts) || K <- [specs, active, supervisors, workers]])].

state(undefined) -> ":none";
state(restarting) -> ":restarting";
state(_) -> "".

%% The process that starts the root and stops it.

parent(T, Root) ->
    process_flag(trap_exit, true),
    case supervisor:start_link(?MODULE, {T, Root}) of
        {ok, Pid} ->
            reply(T, "root: up"),
            parent_wait(T, Pid, false);
        {error, Reason} ->
            reply(T, ["root: ", failure(Reason)]);
        ignore ->
            reply(T, "root: ignored")
    end.

parent_wait(T, Pid, Stopped) ->
    receive
        stop when Stopped -> parent_wait(T, Pid, true);
        stop ->
            exit(Pid, shutdown),
            parent_wait(T, Pid, true);
        {'EXIT', Pid, Reason} ->
            reply(T, ["root: ended ", reason(Reason)]),
            receive after infinity -> ok end
    end.

failure(Reason) -> ["failed to start" | failed(Reason)].

failed({shutdown, {failed_to_start_child, Id, Reason}}) -> [" ", name(Id) | failed(Reason)];
failed({start_spec, _}) -> " invalid";
failed({bad_start_spec, _}) -> " invalid";
failed({supervisor_data, _}) -> " invalid";
failed(_) -> "".

reason({shutdown, _}) -> "shutdown detail";
reason(A) when A =:= normal; A =:= shutdown; A =:= killed -> name(A);
reason(_) -> "boom".

%% Supervisors

init({T, {supervisor, Name, {Strategy, Intensity, Period, Auto}, _, Children}}) ->
    join(T),
    put(stage, T),
    put(name, Name),
    ets:insert(T, {{supervisor, Name}, self()}),
    Flags = #{strategy => Strategy, intensity => Intensity, period => Period, auto_shutdown => Auto},
    Specs = [spec(T, Child) || Child <- Children],
    case Strategy of
        simple_one_for_one ->
            ets:insert(T, {{dynamic, Name}}),
            [Template] = Specs,
            {ok, {Flags, [Template#{start := {?MODULE, child, [T]}}]}};
        _ ->
            {ok, {Flags, Specs}}
    end.

spec(T, Node = {supervisor, Name, _, Lasting, _}) ->
    spec(Name, supervisor, {supervisor, start_link, [?MODULE, {T, Node}]}, Lasting);
spec(T, Node = {child, Name, Lasting, _}) ->
    spec(Name, worker, {?MODULE, child, [T, Node]}, Lasting).

spec(Name, Type, Start, {Restart, Shutdown, Significant}) ->
    #{id => Name, type => Type, start => Start, restart => Restart, shutdown => Shutdown, significant => Significant}.

%% The reports of a supervisor come on its own process, in the order of its acts.
log(#{msg := {report, #{label := {supervisor, Label}, report := Report}}}, _) ->
    case get(stage) of
        undefined -> ok;
        T ->
            try
                report(T, Label, ets:member(T, {dynamic, get(name)}), maps:from_list(Report))
            catch % or the logger would not come again
                _:Reason -> catch event(T, io_lib:format("~0p in ~0p", [Reason, Report])) % the stage may be gone
            end
    end;
log(_, _) -> ok.

report(_, start_error, _, _) -> ok; % the child has said that it failed
report(_, shutdown_error, true, _) -> ok; % one for each reason, not for each child
report(_, shutdown_error, _, #{reason := normal}) -> ok; % departure from S86: a clean
report(_, shutdown_error, _, #{reason := shutdown}) -> ok; % end is silent, also that of
report(_, shutdown_error, _, #{reason := {shutdown, _}}) -> ok; % a permanent child
report(_, child_terminated, _, #{reason := normal}) -> ok; % departure from S34: the
report(_, child_terminated, _, #{reason := shutdown}) -> ok; % same for a permanent child
report(_, child_terminated, _, #{reason := {shutdown, _}}) -> ok; % that ends by itself
report(T, Label, Dynamic, #{reason := Reason, offender := Properties}) ->
    Child = offender(T, Dynamic, Properties),
    event(T, case Label of
        child_terminated -> ["report exit ", Child, " ", reason(Reason)];
        shutdown_error -> ["report shutdown ", Child, " ", reason(Reason)];
        shutdown -> ["gave up ", name(get(name)), " on ", Child]
    end).

offender(_, false, Properties) -> name(proplists:get_value(id, Properties));
offender(T, true, Properties) ->
    Pid = case proplists:get_value(pid, Properties) of
        {restarting, Last} -> Last;
        Current -> Current
    end,
    name(ets:lookup_element(T, {name, Pid}, 2)).

%% Children

child(T, {gate, Gate}) -> gate(T, Gate);
child(T, Node) -> proc_lib:start_link(?MODULE, child_begin, [T, Node, self()]).

child_begin(T, {child, Name, _, {Fails, Ignores, Stubborn}}, Parent) ->
    process_flag(trap_exit, true),
    join(T),
    Attempt = ets:update_counter(T, {attempts, Name}, 1, {{attempts, Name}, 0}),
    ets:insert(T, [{{child, Name}, self(), starting}, {{name, self()}, Name}]),
    event(T, ["start ", name(Name)]),
    held(T, start, Name),
    case {lists:member(Attempt, Fails), lists:member(Attempt, Ignores)} of
        {true, _} ->
            event(T, ["fail ", name(Name)]),
            Reason = lists:nth(1 + Attempt rem 3, [boom, normal, shutdown]),
            ets:insert(T, {{child, Name}, self(), over}),
            proc_lib:init_ack(Parent, {error, Reason}),
            exit(Reason);
        {_, true} ->
            event(T, ["ignore ", name(Name)]),
            ets:insert(T, {{child, Name}, self(), over}),
            proc_lib:init_ack(Parent, ignore),
            exit(normal);
        _ ->
            event(T, ["up ", name(Name)]),
            ets:insert(T, {{child, Name}, self(), up}),
            proc_lib:init_ack(Parent, {ok, self()}),
            receive
                {'EXIT', Parent, Reason} -> child_stop(T, Name, Reason, Stubborn);
                {'end', Reason} -> child_end(T, Name, Reason)
            end
    end.

held(T, What, Name) ->
    forget_release(),
    case ets:member(T, {hold, What, Name}) of
        true -> receive release -> ok end;
        false -> ok
    end.

%% A release that came when nothing was held is none.
forget_release() ->
    receive release -> forget_release() after 0 -> ok end.

child_end(T, Name, Reason) ->
    event(T, ["exit ", name(Name), " ", reason(Reason)]),
    exit(Reason).

child_stop(T, Name, Reason, Stubborn) ->
    event(T, ["stop ", name(Name), case Reason of shutdown -> ""; _ -> [" ", reason(Reason)] end]),
    forget_release(),
    case Stubborn orelse ets:member(T, {hold, stop, Name}) of
        false -> exit(Reason);
        true ->
            receive
                release when not Stubborn -> exit(Reason);
                {'end', Other} -> child_end(T, Name, Other)
            end
    end.

%% A gate is a child whose start keeps its supervisor busy and then declines.

pause(T, Sup, Gate) ->
    ets:insert(T, {{paused, Sup}, Gate}),
    Spec = #{id => Gate, start => {?MODULE, gate, [T, Gate]}, restart => temporary},
    ask(T, none, Sup, fun(Pid) ->
        case ets:member(T, {dynamic, Sup}) of
            false -> supervisor:start_child(Pid, Spec);
            true -> supervisor:start_child(Pid, [{gate, Gate}])
        end
    end).

resume(T, Gate) ->
    ets:insert(T, {{resumed, Gate}}),
    [Pid ! release || {_, Pid} <- ets:lookup(T, {gate, Gate})].

gate(T, Gate) -> proc_lib:start_link(?MODULE, gate_begin, [T, Gate, self()]).

gate_begin(T, Gate, Parent) ->
    process_flag(trap_exit, true),
    join(T),
    ets:insert(T, {{gate, Gate}, self()}),
    case ets:member(T, {resumed, Gate}) of
        true -> ok;
        false -> receive release -> ok end
    end,
    proc_lib:init_ack(Parent, ignore),
    exit(normal).

%% settle waits until nothing moves any more unless time passes: every process
%% waits, and did so all the time between two looks.

settle(T) ->
    erlang:yield(),
    settle(T, look(T), 0).

settle(T, Before, Round) ->
    timer:sleep(if Round < 3 -> 1; true -> 2 end),
    case look(T) of
        Before when Before =/= busy -> ok;
        Now -> settle(T, Now, Round + 1)
    end.

look(T) ->
    Pids = ets:match(T, {{process, '$1'}}),
    look(T, Pids, []).

look(_, [], Seen) -> Seen;
look(T, [[Pid] | Rest], Seen) ->
    case process_info(Pid, [status, reductions]) of
        undefined ->
            ets:delete(T, {process, Pid}),
            look(T, Rest, [{Pid, gone} | Seen]);
        [{status, waiting}, {reductions, N}] -> look(T, Rest, [{Pid, N} | Seen]);
        _ -> busy
    end.
