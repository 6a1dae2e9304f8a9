"""What a part tells reaches the room (AppTest knows no fragments; the browser tests do)."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def room() -> None:
    import streamlit as st

    from studio.components.widgets import fragment_part

    def body() -> int:
        tens = st.number_input("Number", 0, 99, 5, key="number") // 10
        st.write(f"tens in the part: {tens}")
        return int(tens)

    told = fragment_part(body)
    st.write(f"tens in the room: {told}")


def test_the_room_learns_what_the_part_tells() -> None:
    app = AppTest.from_function(room).run()
    assert [text.value for text in app.markdown] == ["tens in the part: 0", "tens in the room: 0"]
    app.number_input(key="number").set_value(37).run()
    assert [text.value for text in app.markdown] == ["tens in the part: 3", "tens in the room: 3"]
    assert not app.exception
